//! What a mole of a substance weighs: the table by which a
//! site's `umol/L` becomes a study's `mg/dL`.

/// A substance that laboratories report by mass and by
/// amount.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Substance {
    /// What a study file calls it.
    pub name: &'static str,
    /// Its sum formula, where its mass is that of one; of ions
    /// and elements as they are reported (phosphate as
    /// phosphorus, lactate as lactic acid, triglycerides as
    /// triolein).
    pub formula: Option<&'static str>,
    /// Where the figure comes from.
    pub source: &'static str,
    /// How its units are converted.
    pub rule: Rule,
}

/// How the units of a substance are converted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Rule {
    /// By what a mole weighs and how many equivalents it is.
    Mass {
        /// Grams in a mole.
        grams: f64,
        /// Equivalents in a mole, where one speaks of them.
        charge: Option<f64>,
    },
    /// Percent are `times` the thousandths of moles, and `plus`.
    Line {
        /// The slope.
        times: f64,
        /// What is added.
        plus: f64,
    },
}

const WEIGHTS: &str = "sum formula, with the abridged standard atomic weights of IUPAC, 2021 (doi 10.1515/pac-2019-0603)";

const fn mass(name: &'static str, formula: &'static str, grams: f64) -> Substance {
    Substance {
        name,
        formula: Some(formula),
        source: WEIGHTS,
        rule: Rule::Mass {
            grams,
            charge: None,
        },
    }
}

const fn ion(name: &'static str, formula: &'static str, grams: f64, charge: f64) -> Substance {
    Substance {
        rule: Rule::Mass {
            grams,
            charge: Some(charge),
        },
        ..mass(name, formula, grams)
    }
}

// Albumin and other proteins are not here: what a mole of
// them weighs depends on whom one asks. Insulin is not:
// laboratories take 6.00 and 6.945 pmol for one milli-unit.
/// The substances, urea and its nitrogen being two.
const ALL: [Substance; 53] = [
    mass("creatinine", "C4H7N3O", 113.12),
    mass("glucose", "C6H12O6", 180.156),
    mass("urea", "CH4N2O", 60.056),
    mass("urea nitrogen", "N2", 28.014),
    mass("uric acid", "C5H4N4O3", 168.112),
    mass("cholesterol", "C27H46O", 386.664),
    mass("triglycerides", "C57H104O6", 885.453),
    mass("bilirubin", "C33H36N4O6", 584.673),
    ion("calcium", "Ca", 40.078, 2.0),
    ion("magnesium", "Mg", 24.305, 2.0),
    mass("phosphate", "P", 30.974),
    ion("sodium", "Na", 22.99, 1.0),
    ion("potassium", "K", 39.098, 1.0),
    ion("chloride", "Cl", 35.45, 1.0),
    ion("bicarbonate", "HCO3", 61.016, 1.0),
    ion("lithium", "Li", 6.94, 1.0),
    mass("iron", "Fe", 55.845),
    mass("zinc", "Zn", 65.38),
    mass("copper", "Cu", 63.546),
    mass("selenium", "Se", 78.971),
    mass("lactate", "C3H6O3", 90.078),
    mass("ammonia", "NH3", 17.031),
    mass("homocysteine", "C4H9NO2S", 135.181),
    mass("3-hydroxybutyrate", "C4H8O3", 104.105),
    mass("cortisol", "C21H30O5", 362.466),
    mass("aldosterone", "C21H28O5", 360.45),
    mass("testosterone", "C19H28O2", 288.431),
    mass("androstenedione", "C19H26O2", 286.415),
    mass("DHEA sulfate", "C19H28O5S", 368.488),
    mass("estradiol", "C18H24O2", 272.388),
    mass("progesterone", "C21H30O2", 314.469),
    mass("17-hydroxyprogesterone", "C21H30O3", 330.468),
    mass("triiodothyronine", "C15H12I3NO4", 650.964),
    mass("thyroxine", "C15H11I4NO4", 776.856),
    mass("25-hydroxyvitamin D", "C27H44O2", 400.647),
    mass("vitamin B12", "C63H88CoN14O14P", 1_355.388),
    mass("folate", "C19H19N7O6", 441.404),
    mass("vitamin A", "C20H30O", 286.459),
    mass("vitamin C", "C6H8O6", 176.124),
    mass("vitamin E", "C29H50O2", 430.717),
    mass("adrenaline", "C9H13NO3", 183.207),
    mass("noradrenaline", "C8H11NO3", 169.18),
    mass("dopamine", "C8H11NO2", 153.181),
    mass("digoxin", "C41H64O14", 780.949),
    mass("paracetamol", "C8H9NO2", 151.165),
    mass("phenytoin", "C15H12N2O2", 252.273),
    mass("carbamazepine", "C15H12N2O", 236.274),
    mass("valproate", "C8H16O2", 144.214),
    mass("theophylline", "C7H8N4O2", 180.167),
    mass("methotrexate", "C20H22N8O5", 454.447),
    mass("ethanol", "C2H6O", 46.069),
    Substance {
        name: "haemoglobin",
        formula: None,
        source: "one chain with its haem, 16,114.5 g/mol, by which laboratories report mmol/L (IFCC)",
        rule: Rule::Mass {
            grams: 16_114.5,
            charge: None,
        },
    },
    Substance {
        name: "HbA1c",
        formula: None,
        source: "master equation NGSP % = 0.09148 x IFCC mmol/mol + 2.152 (Hoelzel et al., Clin Chem 2004;50:166)",
        rule: Rule::Line {
            times: 0.091_48,
            plus: 2.152,
        },
    },
];

impl Substance {
    /// All of them.
    pub fn all() -> &'static [Self] {
        &ALL
    }

    /// The one with this name.
    pub fn named(name: &str) -> Option<&'static Self> {
        ALL.iter().find(|substance| substance.name == name)
    }

    /// Whether other amounts are told for each gram or mole of
    /// it, as those in urine are. Of any other substance only what
    /// is measured is converted, and not what it is divided by.
    pub(super) fn is_divisor(&self) -> bool {
        self.name == "creatinine"
    }

    /// By what its units are converted, for people: of urea and
    /// its nitrogen laboratories mean now one and now the other.
    pub fn said(&self) -> String {
        let name = match self.name {
            "urea" => "urea and not its nitrogen",
            name => name,
        };
        match (self.rule, self.formula) {
            (Rule::Line { .. }, _) => format!("{name}, NGSP in `%` and IFCC in `mmol/mol`"),
            (Rule::Mass { grams, .. }, Some(formula)) => {
                format!("{name} ({formula}, {grams} g/mol)")
            }
            (Rule::Mass { grams, .. }, None) => format!("{name} ({grams} g/mol)"),
        }
    }

    /// The names in a sentence: those that a misspelt one
    /// resembles, or else all.
    pub fn names_like(name: &str) -> String {
        let letters = |text: &str| text.to_lowercase().chars().take(3).collect::<String>();
        let like: Vec<&str> = ALL
            .iter()
            .map(|substance| substance.name)
            .filter(|known| letters(known) == letters(name))
            .collect();
        if like.is_empty() {
            ALL.map(|substance| substance.name).join(", ")
        } else {
            like.join(", ")
        }
    }
}
