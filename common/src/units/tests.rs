//! Units against the definitions of UCUM, substances against the weights of their atoms.

use super::substances::Rule;
use super::{Conversion, Substance, Unit, convert};

fn unit(code: &str) -> Unit {
    Unit::parse(code).unwrap_or_else(|error| panic!("{error}"))
}

fn between(from: &str, to: &str, of: Option<&str>) -> Option<Conversion> {
    let substance = of.map(|name| Substance::named(name).unwrap());
    convert(&unit(from), &unit(to), substance)
}

fn times(from: &str, to: &str, of: Option<&str>) -> f64 {
    let found = between(from, to, of).unwrap_or_else(|| panic!("{from} is no {to}"));
    assert_eq!(found.plus, 0.0, "{from} to {to}");
    found.times
}

/// Relative difference.
fn is_near(found: f64, right: f64, within: f64) -> bool {
    (found / right - 1.0).abs() < within
}

#[test]
fn units_of_one_kind_convert_as_ucum_defines_them() {
    // From the definitions of UCUM's tables; powers of ten to the last bit.
    for (from, to, right) in [
        ("mg/dL", "g/L", 0.01),
        ("g/L", "mg/dL", 100.0),
        ("g/dL", "g/L", 10.0),
        ("ug/mL", "mg/L", 1.0),
        ("ng/mL", "ug/L", 1.0),
        ("mmol/L", "umol/L", 1000.0),
        ("pmol/L", "nmol/L", 0.001),
        ("kg/m2", "g/cm2", 0.1),
        ("10*3/uL", "10*9/L", 1.0),
        ("{cells}/uL", "10*6/L", 1.0),
        ("10^6/uL", "10*12/L", 1.0),
        ("%", "1{fraction}", 0.01),
        ("10*3{cells}", "1{cells}", 1000.0),
        ("[ppth]", "%", 0.1),
        ("m", "cm", 100.0),
        ("kg", "g", 1000.0),
        ("mL/min", "L/h", 0.06),
        ("mL/min/{1.73_m2}", "L/h/{1.73 M2}", 0.06),
        ("ug/L{FEU}", "ng/mL", 1.0),
        ("wk", "d", 7.0),
        ("d", "h", 24.0),
        ("a", "d", 365.25),
        ("mo", "d", 30.4375),
        ("a", "mo", 12.0),
        ("min", "s", 60.0),
        ("kPa", "Pa", 1000.0),
        ("bar", "kPa", 100.0),
        ("kcal", "kJ", 4.184),
        ("mosm/kg", "osm/kg", 0.001),
        ("k[IU]/L", "[IU]/mL", 1.0),
        ("m[IU]/L", "u[IU]/mL", 1.0),
        ("meq/L", "eq/L", 0.001),
        ("kat/L", "ukat/L", 1e6),
        ("/min", "Hz", 1.0 / 60.0),
        ("ug/(kg.min)", "ug/kg/min", 1.0),
        ("[in_i]", "cm", 2.54),
        ("mV", "V", 0.001),
        ("dyn.s/cm5", "N.s/m5", 1e5),
        ("mg.h/L", "ug.h/mL", 1.0),
    ] {
        let found = times(from, to, None);
        assert!(is_near(found, right, 1e-12), "{from} to {to}: {found}");
    }
    assert_eq!(times("mg/dL", "g/L", None), 0.01);
    assert!(is_near(times("mm[Hg]", "kPa", None), 0.133_322, 1e-9));
    assert!(is_near(times("cm[H2O]", "mm[Hg]", None), 0.735_559, 1e-5));
    assert!(is_near(times("U/L", "ukat/L", None), 1.0 / 60.0, 1e-12));
    assert!(is_near(times("[lb_av]", "kg", None), 0.453_592_37, 1e-12));
}

#[test]
fn temperatures_have_a_zero_of_their_own_and_no_fraction_of_them_has() {
    let fever = between("[degF]", "Cel", None).unwrap();
    assert!((fever.of(98.6) - 37.0).abs() < 1e-9);
    assert!((between("Cel", "[degF]", None).unwrap().of(37.0) - 98.6).abs() < 1e-9);
    assert!((between("Cel", "K", None).unwrap().of(0.0) - 273.15).abs() < 1e-9);
    for code in ["Cel/min", "mCel", "Cel2", "[degF]/h"] {
        assert!(Unit::parse(code).is_err(), "{code}");
    }
}

#[test]
fn what_two_units_do_not_share_is_not_converted() {
    for (from, to) in [
        ("mg/dL", "umol/L"),
        ("mg/dL", "mg"),
        ("[IU]/L", "U/L"),
        ("mmol/L", "meq/L"),
        ("mmol/L", "mosm/L"),
        ("[pH]", "1"),
        ("mmol/mol", "%"),
        ("mmol/mol", "mg/g"),
        ("m[Hg]", "m"),
        ("[arb'U]/mL", "[IU]/mL"),
        ("[CFU]/mL", "[arb'U]/mL"),
    ] {
        assert_eq!(between(from, to, None), None, "{from} to {to}");
    }
    // What a mole weighs makes no amount of a length.
    assert_eq!(between("m", "umol/L", Some("creatinine")), None);
    assert_eq!(between("mmol/L", "meq/L", Some("glucose")), None);
}

#[test]
fn remarks_that_contradict_each_other_are_no_one_unit() {
    for (from, to) in [
        ("ug/L{DDU}", "ug/L{FEU}"),
        ("ng/mL{DDU}", "ug/L{FEU}"),
        ("mL/min", "mL/min/{1.73_m2}"),
        ("mL/min/{1.73_m2}", "mL/min"),
        ("mL/min{1.73_m2}", "mL/min"),
        ("mL/min/({bsa})", "mL/min"),
        ("{cells}/uL", "{platelets}/uL"),
        ("mg{a}/g{b}", "mg{a}/g"),
    ] {
        assert_eq!(between(from, to, None), None, "{from} to {to}");
        assert!(unit(from).contradicts(&unit(to)));
        assert_eq!(unit(from).only_remark(&unit(to)).is_some(), {
            [from, to].iter().any(|code| !code.contains('{'))
        });
    }
    // Of one side alone, and it changes no number: a person is asked.
    for (from, to, remark) in [
        ("ug/L", "ug/L{FEU}", "{FEU}"),
        ("{beats}/min", "/min", "{beats}"),
        ("mg{a}/g{b}", "mg/g", "{a}{b}"),
    ] {
        assert_eq!(between(from, to, None), Some(Conversion::NONE));
        let only = unit(from).only_remark(&unit(to));
        assert_eq!(only.as_deref(), Some(remark));
    }
    assert_eq!(unit("ug/L{FEU}").only_remark(&unit("ng/mL{feu}")), None);
    assert_eq!(unit("ug/L").only_remark(&unit("ug/L{}")), None);
}

#[test]
fn what_may_be_a_ratio_or_a_score_is_no_share() {
    for (from, to) in [
        ("%", "1"),
        ("1", "%"),
        ("%", "1{INR}"),
        ("%{Quick}", "1"),
        ("[ppth]", "1"),
    ] {
        assert_eq!(between(from, to, None), None, "{from} to {to}");
        assert!(unit(from).may_be_no_share(&unit(to)));
    }
    assert_eq!(times("1{proportion}", "%", None), 100.0);
    assert_eq!(times("1", "1", None), 1.0);
    assert!(!unit("mg").may_be_no_share(&unit("1")));
}

#[test]
fn a_substance_is_what_is_measured_and_not_what_it_is_divided_by() {
    for (from, to) in [("mg/g", "mg/mmol"), ("mg/mmol", "mg/g"), ("/g", "/mmol")] {
        assert_eq!(between(from, to, Some("calcium")), None, "{from} to {to}");
    }
    assert_eq!(between("mg/g", "mg/meq", Some("calcium")), None);
    assert!(is_near(
        times("mg/g", "mmol/g", Some("calcium")),
        1.0 / 40.078,
        1e-12
    ));
}

#[test]
fn a_factor_that_is_no_number_converts_nothing() {
    let large = ["10*30"; 10].join(".");
    let small = format!("/{}", ["10*30"; 10].join("/"));
    assert_eq!(between(&large, &small, None), None);
    assert_eq!(between(&small, &large, None), None);
    assert_eq!(times("10*20", "1{share}", None), 1e20);
}

#[test]
fn a_substance_says_by_what_it_converts() {
    let said = |name: &str| Substance::named(name).unwrap().said();
    assert_eq!(said("urea nitrogen"), "urea nitrogen (N2, 28.014 g/mol)");
    assert!(said("urea").starts_with("urea and not its nitrogen (CH4N2O, "));
    assert_eq!(said("haemoglobin"), "haemoglobin (16114.5 g/mol)");
    assert!(said("HbA1c").contains("NGSP in `%`"));
}

#[test]
fn substances_convert_as_laboratories_do() {
    // Factors of tables for clinicians, to their digits.
    for (name, from, to, right) in [
        ("creatinine", "mg/dL", "umol/L", 88.402),
        ("glucose", "mg/dL", "mmol/L", 0.055_51),
        ("urea", "mg/dL", "mmol/L", 0.166_5),
        ("urea nitrogen", "mg/dL", "mmol/L", 0.357),
        ("cholesterol", "mg/dL", "mmol/L", 0.025_86),
        ("triglycerides", "mg/dL", "mmol/L", 0.011_29),
        ("bilirubin", "mg/dL", "umol/L", 17.1),
        ("uric acid", "mg/dL", "umol/L", 59.48),
        ("calcium", "mg/dL", "mmol/L", 0.249_5),
        ("calcium", "meq/L", "mmol/L", 0.5),
        ("magnesium", "meq/L", "mg/dL", 1.215),
        ("phosphate", "mg/dL", "mmol/L", 0.322_9),
        ("sodium", "meq/L", "mmol/L", 1.0),
        ("haemoglobin", "g/dL", "mmol/L", 0.620_6),
        ("25-hydroxyvitamin D", "ng/mL", "nmol/L", 2.496),
        ("vitamin B12", "pg/mL", "pmol/L", 0.737_8),
        ("thyroxine", "ug/dL", "nmol/L", 12.87),
        ("cortisol", "ug/dL", "nmol/L", 27.59),
        ("testosterone", "ng/dL", "nmol/L", 0.034_67),
        ("creatinine", "mg/g", "mg/mmol", 0.113_12),
    ] {
        let found = times(from, to, Some(name));
        assert!(is_near(found, right, 1e-3), "{name}: {found}");
        let back = times(to, from, Some(name));
        assert!(is_near(found * back, 1.0, 1e-12), "{name} and back");
    }
}

#[test]
fn the_two_scales_of_hba1c_differ_by_a_line_and_not_by_a_factor() {
    let to_percent = between("mmol/mol", "%", Some("HbA1c")).unwrap();
    assert!((to_percent.of(53.0) - 7.0).abs() < 0.01);
    let back = between("%", "mmol/mol", Some("HbA1c")).unwrap();
    assert!((back.of(6.5) - 47.5).abs() < 0.1);
    assert!((back.of(to_percent.of(61.0)) - 61.0).abs() < 1e-9);
    let share = between("mmol/mol", "1", Some("HbA1c")).unwrap();
    assert!((share.of(53.0) - 0.070_004).abs() < 1e-5);
    assert_eq!(between("mmol/mol", "g/dL", Some("HbA1c")), None);
}

/// Abridged standard atomic weights of IUPAC, 2021, table 2.
const ATOMIC: [(&str, f64); 18] = [
    ("H", 1.008),
    ("Li", 6.94),
    ("C", 12.011),
    ("N", 14.007),
    ("O", 15.999),
    ("Na", 22.990),
    ("Mg", 24.305),
    ("P", 30.974),
    ("S", 32.06),
    ("Cl", 35.45),
    ("K", 39.098),
    ("Ca", 40.078),
    ("Fe", 55.845),
    ("Co", 58.933),
    ("Cu", 63.546),
    ("Zn", 65.38),
    ("Se", 78.971),
    ("I", 126.90),
];

/// What a mole of a sum formula weighs.
fn weight(formula: &str) -> f64 {
    let mut sum = 0.0;
    let mut rest = formula;
    while !rest.is_empty() {
        let length = 1 + rest[1..]
            .chars()
            .take_while(char::is_ascii_lowercase)
            .count();
        let (element, after) = rest.split_at(length);
        let digits = after.chars().take_while(char::is_ascii_digit).count();
        let (count, after) = after.split_at(digits);
        let (_, weight) = ATOMIC.iter().find(|(name, _)| *name == element).unwrap();
        sum += weight * count.parse::<f64>().unwrap_or(1.0);
        rest = after;
    }
    sum
}

#[test]
fn every_molar_mass_is_that_of_its_formula() {
    let mut checked = 0;
    for substance in Substance::all() {
        assert!(!substance.source.is_empty());
        let (Some(formula), Rule::Mass { grams, .. }) = (substance.formula, substance.rule) else {
            continue;
        };
        let right = weight(formula);
        assert!((grams - right).abs() < 6e-4, "{}: {right}", substance.name);
        checked += 1;
    }
    assert!(checked >= 40, "{checked}");
    let mut names: Vec<&str> = Substance::all().iter().map(|of| of.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), Substance::all().len());
    assert_eq!(Substance::named("urea").unwrap().formula, Some("CH4N2O"));
}

#[test]
fn the_list_in_the_recipes_names_every_substance() {
    let listed = include_str!("../../../RECIPES.md");
    let listed = listed.split_whitespace().collect::<Vec<_>>().join(" ");
    for substance in Substance::all() {
        assert!(
            listed.contains(&format!("`{}`", substance.name)),
            "{}",
            substance.name
        );
    }
}

#[test]
fn a_unit_stands_in_print_as_people_read_it() {
    for (code, print) in [
        ("a", "years"),
        ("mm[Hg]", "mmHg"),
        ("umol/L", "\u{b5}mol/L"),
        ("10*9/L", "10^9/L"),
        ("m[IU]/L", "mIU/L"),
        ("mL/min/{1.73_m2}", "mL/min/1.73 m2"),
        ("mg/dL", "mg/dL"),
        ("1", ""),
    ] {
        assert_eq!(super::printed(code), print);
    }
}

#[test]
fn a_unit_that_is_none_is_guessed_or_examples_are_given() {
    for (written, meant) in [
        ("mg/dl", "mg/dL"),
        ("MG/DL", "mg/dL"),
        ("mmol/l", "mmol/L"),
        ("\u{b5}mol/l", "umol/L"),
        ("\u{3bc}mol/L", "umol/L"),
        ("mcg/L", "ug/L"),
        ("mmHg", "mm[Hg]"),
        ("years", "a"),
        ("Days", "d"),
        ("months", "mo"),
        ("\u{b0}C", "Cel"),
        ("kg/m\u{b2}", "kg/m2"),
        ("kg/m^2", "kg/m2"),
        ("IU/L", "[IU]/L"),
        ("mEq/L", "meq/L"),
        ("beats", ""),
        ("bpm", "/min"),
        ("mg / dL", "mg/dL"),
        ("ml/min", "mL/min"),
        ("Mg/dL", "mg/dL"),
        ("Mmol/L", "mmol/L"),
        ("Gmol/L", ""),
        ("mg/L{a\nb}", ""),
        ("mg/L{a\u{1b}b}", ""),
        ("mg/L{a\tb}", ""),
        ("mg/L{{a}}", ""),
        ("bananas", ""),
        ("", ""),
        ("mg/", ""),
        ("mg//dL", ""),
        ("mg/dL)", ""),
        ("(((((mg)))))", ""),
        ("m0", ""),
        ("mg{", ""),
        ("10*99", ""),
        ("0", ""),
        ("m-", ""),
        ("kmin", ""),
    ] {
        let error = Unit::parse(written).unwrap_err();
        assert!(error.problem.contains(&format!("{written:?}")), "{error}");
        match meant {
            "" => assert!(error.fix.contains("`mg/dL`"), "{written}: {error}"),
            meant => assert_eq!(error.fix, format!("did you mean `{meant}`?")),
        }
    }
}
