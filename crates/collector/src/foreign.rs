//! Text from strangers: bytes of any encoding or none, read so that it cannot fail.
//!
//! Names in shared catalogs, statements and application names have the encoding of whoever wrote them, and the server
//! raises an error where it cannot convert one. So sessions ask for bytes as they are (`client_encoding` SQL_ASCII) and
//! each text is read here: as UTF-8 where it is UTF-8, else in the encoding of the session's database, else with
//! U+FFFD in the place of what cannot be read.

use std::borrow::Cow;

use encoding_rs::Encoding;

/// PostgreSQL's encodings of databases that are neither UTF-8 nor none, by the names of the WHATWG's.
/// `EUC_TW` and `MULE_INTERNAL` have no counterpart there.
const ENCODINGS: [(&str, &str); 31] = [
    ("LATIN1", "windows-1252"),
    ("LATIN2", "iso-8859-2"),
    ("LATIN3", "iso-8859-3"),
    ("LATIN4", "iso-8859-4"),
    ("LATIN5", "windows-1254"),
    ("LATIN6", "iso-8859-10"),
    ("LATIN7", "iso-8859-13"),
    ("LATIN8", "iso-8859-14"),
    ("LATIN9", "iso-8859-15"),
    ("LATIN10", "iso-8859-16"),
    ("ISO_8859_5", "iso-8859-5"),
    ("ISO_8859_6", "iso-8859-6"),
    ("ISO_8859_7", "iso-8859-7"),
    ("ISO_8859_8", "iso-8859-8"),
    ("WIN866", "ibm866"),
    ("WIN874", "windows-874"),
    ("WIN1250", "windows-1250"),
    ("WIN1251", "windows-1251"),
    ("WIN1252", "windows-1252"),
    ("WIN1253", "windows-1253"),
    ("WIN1254", "windows-1254"),
    ("WIN1255", "windows-1255"),
    ("WIN1256", "windows-1256"),
    ("WIN1257", "windows-1257"),
    ("WIN1258", "windows-1258"),
    ("KOI8R", "koi8-r"),
    ("KOI8U", "koi8-u"),
    ("EUC_CN", "gb18030"),
    ("EUC_JP", "euc-jp"),
    ("EUC_JIS_2004", "euc-jp"),
    ("EUC_KR", "euc-kr"),
];

/// How the texts of a session are read that are not UTF-8.
#[derive(Clone, Copy, Debug, Default)]
pub struct Decoder(Option<&'static Encoding>);

impl Decoder {
    /// For a database of an encoding, by PostgreSQL's name of it.
    #[must_use]
    pub fn of(server_encoding: &str) -> Self {
        let known = ENCODINGS.iter().find(|(name, _)| *name == server_encoding);
        Self(known.and_then(|(_, label)| Encoding::for_label(label.as_bytes())))
    }

    /// The text, and whether something in it could not be read. PostgreSQL's own text has no NUL.
    #[must_use]
    pub fn read(self, bytes: &[u8]) -> (Cow<'_, str>, bool) {
        let (text, marked) = match (std::str::from_utf8(bytes), self.0) {
            (Ok(text), _) => (Cow::Borrowed(text), false),
            (Err(_), Some(encoding)) => encoding.decode_without_bom_handling(bytes),
            (Err(_), None) => (String::from_utf8_lossy(bytes), true),
        };
        if text.contains('\0') { (text.replace('\0', "\u{fffd}").into(), true) } else { (text, marked) }
    }
}

/// Bytes as ASCII, with the others by number: what a name is really made of.
#[must_use]
pub fn escaped(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(encoding: &str, bytes: &[u8]) -> (String, bool) {
        let (text, marked) = Decoder::of(encoding).read(bytes);
        (text.into_owned(), marked)
    }

    #[test]
    fn each_encoding_reads_its_own_letters_and_utf_8() {
        for (encoding, bytes, expected) in [
            ("LATIN1", &b"caf\xe9"[..], "café"),
            ("LATIN2", b"\xb3ody", "łody"),
            ("LATIN9", b"\xa4", "€"),
            ("WIN1251", b"\xe4\xe0", "да"),
            ("KOI8R", b"\xc4\xc1", "да"),
            ("EUC_JP", b"\xc6\xfc", "日"),
            ("EUC_KR", b"\xb0\xa1", "가"),
            ("EUC_CN", b"\xd6\xd0", "中"),
        ] {
            assert_eq!(read(encoding, bytes), (expected.to_owned(), false), "{encoding}");
            assert_eq!(read(encoding, "naïve 日".as_bytes()), ("naïve 日".to_owned(), false), "{encoding}");
        }
        for (name, label) in &ENCODINGS {
            assert!(Encoding::for_label(label.as_bytes()).is_some(), "{name}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_marked() {
        for encoding in ["UTF8", "SQL_ASCII", "MULE_INTERNAL", "EUC_TW", "no such"] {
            assert_eq!(read(encoding, b"caf\xe9"), ("caf\u{fffd}".to_owned(), true), "{encoding}");
        }
        assert_eq!(read("EUC_JP", b"a\xff"), ("a\u{fffd}".to_owned(), true));
        assert_eq!(read("UTF8", b"a\0b"), ("a\u{fffd}b".to_owned(), true));
        assert_eq!(escaped(b"caf\xe9'"), r"caf\xe9\'");
    }

    proptest! {
        #[test]
        fn nothing_fails_and_ascii_stays(bytes in proptest::collection::vec(any::<u8>(), 0..40), place in 0usize..31) {
            let names: Vec<&str> = ENCODINGS.iter().map(|(name, _)| *name).collect();
            let encoding = names[place % names.len()];
            let (text, marked) = Decoder::of(encoding).read(&bytes);
            prop_assert!(!text.contains('\0'));
            if bytes.is_ascii() && !bytes.contains(&0) {
                prop_assert_eq!(text.as_bytes(), &bytes[..]);
                prop_assert!(!marked);
            }
        }
    }
}
