//! The data of the demos, inside the program: an installed `motet` needs no source tree.

use crate::args::Scene;
use crate::failure::Done;
use crate::identity::{private_folder, write_plain};
use std::path::Path;

/// One hospital's extract.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Site {
    /// Its name in the consortium.
    pub(crate) name: &'static str,
    /// Two capital letters.
    pub(crate) country: &'static str,
    /// The country in words.
    pub(crate) land: &'static str,
    /// Its file.
    pub(crate) csv: &'static str,
}

/// A study of a demo.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Told {
    /// The folder of its release.
    pub(crate) name: &'static str,
    /// What it is, for the headline.
    pub(crate) heading: &'static str,
    /// The head of its bytes in a table, to the right.
    pub(crate) bytes: &'static str,
    /// The study file.
    pub(crate) text: &'static str,
}

/// One demo.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Data {
    /// For the headline.
    pub(crate) title: &'static str,
    /// What is asked, in one line.
    pub(crate) question: &'static str,
    /// The dataset's name in schema and studies.
    pub(crate) dataset: &'static str,
    /// The hospitals.
    pub(crate) sites: &'static [Site],
    /// How each file becomes the dataset.
    pub(crate) schema: &'static str,
    /// Whether the hospitals let studies take times on any grid.
    pub(crate) exact_times: bool,
    /// The exact study, which is compared with one pooled table.
    pub(crate) exact: Told,
    /// Another study of the same patients.
    pub(crate) second: Told,
    /// Source, licence, how it was cut.
    pub(crate) provenance: &'static str,
}

macro_rules! site {
    ($scene:literal, $name:literal, $country:literal, $land:literal) => {
        Site {
            name: $name,
            country: $country,
            land: $land,
            csv: include_str!(concat!("../../demo/", $scene, "/", $name, ".csv")),
        }
    };
}

macro_rules! told {
    ($scene:literal, $name:literal, $bytes:literal, $heading:literal) => {
        Told {
            name: $name,
            heading: $heading,
            bytes: $bytes,
            text: include_str!(concat!("../../demo/", $scene, "/", $name, ".toml")),
        }
    };
}

pub(crate) const STROKE: Data = Data {
    title: "International Stroke Trial",
    question: "Who dies within 14 days of an acute ischaemic stroke, and do aspirin or heparin change it?",
    dataset: "ist",
    sites: &[
        site!("stroke", "BELG", "BE", "Belgium"),
        site!("stroke", "CZEC", "CZ", "Czech Republic"),
        site!("stroke", "ITAL", "IT", "Italy"),
        site!("stroke", "NETH", "NL", "Netherlands"),
        site!("stroke", "NORW", "NO", "Norway"),
        site!("stroke", "POLA", "PL", "Poland"),
        site!("stroke", "PORT", "PT", "Portugal"),
        site!("stroke", "SPAI", "ES", "Spain"),
        site!("stroke", "SWED", "SE", "Sweden"),
        site!("stroke", "SWIT", "CH", "Switzerland"),
    ],
    schema: include_str!("../../demo/stroke/schema.toml"),
    exact_times: false,
    exact: told!(
        "stroke",
        "logistic",
        ">exact fit",
        "One exact logistic regression over all sites"
    ),
    second: told!(
        "stroke",
        "fedavg",
        ">averaging",
        "The same question by federated averaging"
    ),
    provenance: include_str!("../../demo/stroke/PROVENANCE.md"),
};

const HEART: Data = Data {
    title: "UCI Heart Disease",
    question: "Which findings in patients with chest pain go along with a narrowed coronary vessel?",
    dataset: "heart",
    sites: &[
        site!("heart", "cleveland", "US", "Cleveland, United States"),
        site!("heart", "hungarian", "HU", "Budapest, Hungary"),
        site!(
            "heart",
            "switzerland",
            "CH",
            "Zurich and Basel, Switzerland"
        ),
        site!("heart", "va", "US", "Long Beach, United States"),
    ],
    schema: include_str!("../../demo/heart/schema.toml"),
    exact_times: false,
    exact: told!(
        "heart",
        "logistic",
        ">exact fit",
        "One exact logistic regression over all sites"
    ),
    second: told!(
        "heart",
        "fedavg",
        ">averaging",
        "The same question by federated averaging"
    ),
    provenance: include_str!("../../demo/heart/PROVENANCE.md"),
};

const BREAST: Data = Data {
    title: "TCGA breast cancer",
    question: "How long do women live after a diagnosis of breast cancer, and which findings at diagnosis shorten it?",
    dataset: "tcga-brca",
    sites: &[
        site!(
            "breast-tcga",
            "northeast",
            "US",
            "Northeastern United States"
        ),
        site!("breast-tcga", "south", "US", "Southern United States"),
        site!("breast-tcga", "west", "US", "Western United States"),
        site!("breast-tcga", "midwest", "US", "Midwestern United States"),
        site!("breast-tcga", "europe", "DE", "Europe"),
        site!("breast-tcga", "canada", "CA", "Canada"),
    ],
    schema: include_str!("../../demo/breast-tcga/schema.toml"),
    exact_times: false,
    exact: told!(
        "breast-tcga",
        "cox",
        ">exact fit",
        "One exact Cox regression over all sites"
    ),
    second: told!(
        "breast-tcga",
        "km",
        ">curve",
        "The survival curve of all patients"
    ),
    provenance: include_str!("../../demo/breast-tcga/PROVENANCE.md"),
};

/// The data of a scene.
pub(crate) fn of(scene: Scene) -> &'static Data {
    match scene {
        Scene::Stroke => &STROKE,
        Scene::Heart => &HEART,
        Scene::Breast => &BREAST,
    }
}

impl Site {
    /// Patients in its file.
    pub(crate) fn patients(&self) -> usize {
        self.csv.lines().count().saturating_sub(1)
    }
}

impl Data {
    /// Writes every site's file and the schema into a folder, as a hospital's export would lie
    /// there.
    ///
    /// # Errors
    /// When the system refuses.
    pub(crate) fn extract(&self, folder: &Path) -> Done {
        private_folder(folder)?;
        write_plain(&folder.join("schema.toml"), self.schema)?;
        self.sites
            .iter()
            .try_for_each(|site| write_plain(&folder.join(format!("{}.csv", site.name)), site.csv))
    }

    /// Patients in all files.
    pub(crate) fn patients(&self) -> usize {
        self.sites.iter().map(Site::patients).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use motet_common::enrol::{check_country, check_name};
    use motet_common::study::Study;

    #[test]
    fn every_scene_is_whole_and_its_two_studies_ask_the_same() {
        let scenes = [
            (Scene::Stroke, 10, 9381, ["logistic", "fedavg"]),
            (Scene::Heart, 4, 920, ["logistic", "fedavg"]),
            (Scene::Breast, 6, 1088, ["cox", "km"]),
        ];
        for (scene, sites, patients, kinds) in scenes {
            let data = of(scene);
            assert_eq!((data.sites.len(), data.patients()), (sites, patients));
            for site in data.sites {
                check_name(site.name).unwrap();
                check_country(site.country).unwrap();
            }
            let schema = motet_data::Schema::parse(data.schema).unwrap();
            assert_eq!(schema.name, data.dataset);
            let [exact, averaged] =
                [data.exact, data.second].map(|told| Study::parse(told.text).unwrap());
            assert_eq!(exact.data.outcome, averaged.data.outcome);
            assert_eq!(exact.data.dataset, data.dataset);
            assert_eq!(
                (exact.recipe.kind(), averaged.recipe.kind()),
                (kinds[0], kinds[1])
            );
            assert_ne!(exact.id, averaged.id);
            assert!(
                exact
                    .lint(sites)
                    .iter()
                    .all(|finding| finding.severity != motet_common::study::Severity::Error)
            );
        }
    }
}
