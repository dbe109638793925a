//! The format of `cases/*.txt`: a case begins with `=== name`; its parts with `--- env`,
//! `--- file NAME MODE`, an input, and `--- expect` (each line must be among those of the result)
//! or `--- error` (each line must be in the message). `{home}` is a directory of the case's own.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// One case.
pub(crate) struct Case {
    /// File and name, for messages.
    pub(crate) name: String,
    /// The heading of each part and its lines.
    parts: Vec<(String, String)>,
    /// The case's own directory.
    home: tempfile::TempDir,
}

/// Reads the cases of a file.
pub(crate) fn read(file: &str) -> Vec<Case> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases").join(file);
    let text = fs::read_to_string(&path).expect("the file of cases");
    let mut cases: Vec<Case> = Vec::new();
    for line in text.lines() {
        if let Some(name) = line.strip_prefix("=== ") {
            let home = tempfile::tempdir().expect("a temporary directory");
            cases.push(Case { name: format!("{file}: {name}"), parts: Vec::new(), home });
            continue;
        }
        let Some(case) = cases.last_mut() else { continue };
        if let Some(heading) = line.strip_prefix("--- ") {
            case.parts.push((heading.to_owned(), String::new()));
        } else if let Some((_, body)) = case.parts.last_mut() {
            body.push_str(&line.replace("{home}", &case.home.path().display().to_string()));
            body.push('\n');
        }
    }
    assert!(!cases.is_empty(), "{file} has no cases");
    cases
}

impl Case {
    /// The part of that heading, without the empty lines at its end.
    pub(crate) fn part(&self, heading: &str) -> Option<&str> {
        self.parts.iter().find(|(found, _)| found == heading).map(|(_, body)| body.trim_end())
    }

    /// Writes the case's files.
    pub(crate) fn write_files(&self) {
        for (heading, body) in &self.parts {
            let Some(file) = heading.strip_prefix("file ") else { continue };
            let (name, mode) = file.split_once(' ').unwrap_or((file, "0600"));
            let path = self.home.path().join(name);
            fs::create_dir_all(path.parent().expect("below the home")).expect("the file of a case");
            fs::write(&path, body.trim_end_matches('\n').to_owned() + "\n").expect("the file of a case");
            fs::set_permissions(
                &path,
                fs::Permissions::from_mode(u32::from_str_radix(mode, 8).expect("an octal mode")),
            )
            .expect("the file of a case");
        }
    }

    /// The case's environment; its directory is the home and the place of the system's files.
    pub(crate) fn env(&self, name: &str) -> Option<String> {
        let set =
            self.part("env").unwrap_or_default().lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
        match (set, name) {
            (Some(value), _) => Some(value.to_owned()),
            (None, "HOME" | "PGSYSCONFDIR") => Some(self.home.path().display().to_string()),
            (None, _) => None,
        }
    }

    /// Compares what came out with what the case expects.
    pub(crate) fn compare(&self, result: Result<String, String>) {
        match (self.part("expect"), self.part("error"), result) {
            (Some(expected), None, Ok(found)) => {
                let lines: Vec<&str> = found.lines().collect();
                for line in expected.lines() {
                    let absent = line.strip_prefix("no ");
                    let right = absent.map_or(lines.contains(&line), |absent| !found.contains(absent));
                    assert!(right, "{}: expected {line:?} in\n{found}", self.name);
                }
            }
            (None, Some(expected), Err(found)) => {
                for line in expected.lines() {
                    assert!(found.contains(line), "{}: expected {line:?} in the error\n{found}", self.name);
                }
            }
            (_, _, result) => panic!("{}: came out otherwise: {result:?}", self.name),
        }
    }
}
