//! What a study may be for, by European law.

/// What a point of Article 53(1) of Regulation (EU) 2025/327 allows, in short words, or nothing for
/// another code.
pub fn purpose_meaning(code: &str) -> Option<&'static str> {
    Some(match code {
        "53(1)(a)" => {
            "public interest in public or occupational health, such as surveillance or the safety of care"
        }
        "53(1)(b)" => "policymaking and regulation by public bodies in the health or care sector",
        "53(1)(c)" => "official statistics on the health or care sector",
        "53(1)(d)" => "vocational or higher education in the health or care sector",
        "53(1)(e)" => {
            "scientific research that serves public health, health \
             technology assessment or the quality of care"
        }
        "53(1)(e)(i)" => {
            "scientific research: development of and innovation in products or services"
        }
        "53(1)(e)(ii)" => "scientific research: training, testing and evaluation of algorithms",
        "53(1)(f)" => {
            "better delivery of care and better treatment, learned from other patients' data"
        }
        _ => return None,
    })
}
