//! Names that people give to what they make: instances, collectors, templates, labels, users. One rule for all of them:
//! a name is what is seen of it. It holds nothing that is not seen, and two that look alike, but for capital letters or for how
//! Unicode puts letters together, are one.

use unicode_normalization::UnicodeNormalization as _;

use crate::quote::is_invisible;

/// Why something is no name, if so: what was expected instead.
///
/// # Errors
/// For an empty name, one of more than so many characters, one that begins or ends with a blank, and one with a letter that
/// is not seen or acts on what stands around it.
pub fn check(name: &str, most: usize) -> Result<(), String> {
    // Joiners, and marks that choose another form of the letter before them.
    let acts =
        |letter: char| matches!(letter, '\u{200c}' | '\u{200d}' | '\u{fe00}'..='\u{fe0f}' | '\u{e0100}'..='\u{e01ef}');
    let hidden = name.chars().find(|letter| is_invisible(*letter) || acts(*letter));
    if let Some(letter) = hidden {
        return Err(format!("expected a name of which all is seen, without U+{:04X}", u32::from(letter)));
    }
    if !(1..=most).contains(&name.chars().count()) || name.trim() != name {
        return Err(format!("expected 1 to {most} characters, without blanks around"));
    }
    Ok(())
}

/// What two names have in common that look alike: of equal keys only one may be given.
#[must_use]
pub fn key(name: &str) -> String {
    // By its capitals, because some are two letters (ß); once more, because a small letter may be put together otherwise.
    name.nfkc().collect::<String>().to_uppercase().to_lowercase().nfkc().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_what_is_seen() {
        for good in ["prod-1", "é", "e\u{301}", "名前", "my db", "x".repeat(5).as_str()] {
            assert_eq!(check(good, 10), Ok(()), "{good:?}");
        }
        let blanks = Err("expected 1 to 10 characters, without blanks around".to_owned());
        for bad in ["", " a", "a ", "a\u{a0}", "\u{3000}a", "x".repeat(11).as_str()] {
            assert_eq!(check(bad, 10), blanks, "{bad:?}");
        }
        let hidden = [
            "a\nb",
            "\0",
            "a\u{200b}",
            "\u{202e}a",
            "\u{2066}a",
            "a\u{ad}b",
            "\u{feff}a",
            "a\u{200d}b",
            "\u{3164}",
            "a\u{e0041}",
            "\u{2800}",
            "x\u{fe0f}",
        ];
        for bad in hidden {
            assert!(check(bad, 10).unwrap_err().starts_with("expected a name of which all is seen"), "{bad:?}");
        }
        assert!(check("a\u{202e}b", 10).unwrap_err().ends_with("without U+202E"));
    }

    #[test]
    fn names_that_look_alike_have_one_key() {
        for (one, other) in [
            ("Prod", "pROD"),
            ("é", "e\u{301}"),
            ("É", "e\u{301}"),
            ("ﬁle", "file"),
            ("Ａ", "a"),
            ("Straße", "STRASSE"),
        ] {
            assert_eq!(key(one), key(other), "{one:?} {other:?}");
        }
        for (one, other) in [("prod-1", "prod-2"), ("e", "é"), ("a b", "ab")] {
            assert_ne!(key(one), key(other));
        }
    }
}
