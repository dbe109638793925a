//! What a collector gets in the end: the templates that its labels choose, the one of higher priority over the other,
//! what is written for it alone over all of them, and the custom sets that are for it at its end.

use std::collections::BTreeMap;

use catalog::SetFiles;
use config::{Config, ConfigError, Names};
use uuid::Uuid;

use super::InForce;
use super::model::AppliedTemplate;
use super::versioned::{Content as _, Named};

/// Labels of a collector, or those that a template asks for.
pub(super) type Labels = BTreeMap<String, String>;

/// A template as it is in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Template {
    pub(super) text: String,
    pub(super) selector: Labels,
    pub(super) priority: i32,
}

/// A custom set as it is in force.
#[derive(Clone, Debug)]
pub(crate) struct OwnSet {
    pub(super) files: SetFiles,
    pub(super) selector: Labels,
    /// Those that it is for, where not all.
    pub(super) collectors: Vec<Uuid>,
    /// Why this version was made.
    pub(super) note: Option<String>,
}

/// What a collector gets.
#[derive(Clone, Debug)]
pub(super) struct Effective {
    pub(super) text: String,
    /// What is under it, the lowest first.
    pub(super) templates: Vec<AppliedTemplate>,
    /// The custom sets in it, by name.
    pub(super) custom_sets: Vec<AppliedTemplate>,
}

/// What a collector with these labels gets when this is written for it. Without a template that applies it gets what
/// is written, word for word.
///
/// # Errors
/// Why a collector would refuse it; without a line where that is the doing of the templates.
pub(super) fn effective(
    written: &str,
    (id, labels): (Uuid, &Labels),
    in_force: &InForce,
    names: &Names,
) -> Result<Effective, ConfigError> {
    let made = under_templates(written, (id, labels), &in_force.templates, names)?;
    let mut sets: Vec<&Named<OwnSet>> = in_force.sets.iter().filter(|set| set.of.applies_to(id, labels)).collect();
    if sets.is_empty() {
        return Ok(made);
    }
    sets.sort_by(|one, other| one.name.cmp(&other.name));
    let files = sets.iter().map(|set| (set.name.as_str(), set.of.files.set.as_str(), &set.of.files.sql));
    let text = config::with_sets(&made.text, files)?;
    Config::check_pushed(&text, names).map_err(|error| ConfigError {
        path: None,
        line: None,
        reason: format!("together with the custom sets for it: {}", error.reason),
    })?;
    let custom_sets = sets.iter().map(|set| AppliedTemplate { name: set.name.clone(), version: set.version });
    Ok(Effective { text, custom_sets: custom_sets.collect(), ..made })
}

/// What is written over the templates that apply.
fn under_templates(
    written: &str,
    (id, labels): (Uuid, &Labels),
    templates: &[Named<Template>],
    names: &Names,
) -> Result<Effective, ConfigError> {
    let mut applied: Vec<&Named<Template>> =
        templates.iter().filter(|template| template.of.applies_to(id, labels)).collect();
    applied.sort_by(|a, b| (a.of.priority, &b.name).cmp(&(b.of.priority, &a.name)));
    Config::check_written(written, names)?;
    let Some((lowest, others)) = applied.split_first() else {
        return Ok(Effective { text: written.to_owned(), templates: Vec::new(), custom_sets: Vec::new() });
    };
    let mut above = others.iter().map(|template| template.of.text.as_str()).chain([written]);
    let text = above.try_fold(lowest.of.text.clone(), |under, over| config::merge(over, &under));
    let text = text.and_then(|text| Config::check_pushed(&text, names).map(|()| text));
    let text = text.map_err(|error| {
        let under: Vec<&str> = applied.iter().map(|template| template.name.as_str()).collect();
        let reason = format!("together with the templates that apply ({}): {}", under.join(", "), error.reason);
        ConfigError { path: None, line: None, reason }
    })?;
    let templates =
        applied.iter().map(|template| AppliedTemplate { name: template.name.clone(), version: template.version });
    Ok(Effective { text, templates: templates.collect(), custom_sets: Vec::new() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(pairs: &[(&str, &str)]) -> Labels {
        pairs.iter().map(|(label, value)| ((*label).to_owned(), (*value).to_owned())).collect()
    }

    fn template(name: &str, priority: i32, selector: &[(&str, &str)], text: &str) -> Named<Template> {
        let of = Template { text: text.to_owned(), selector: labels(selector), priority };
        Named { name: name.to_owned(), version: 1, of }
    }

    fn under(written: &str, here: &Labels, templates: &[Named<Template>]) -> Result<Effective, ConfigError> {
        under_templates(written, (Uuid::nil(), here), templates, &Names::default())
    }

    fn applied(effective: &Effective) -> Vec<&str> {
        effective.templates.iter().map(|template| template.name.as_str()).collect()
    }

    #[test]
    fn the_higher_priority_wins_and_the_collectors_own_text_over_all() {
        let templates = [
            template("prod", 10, &[("stage", "prod")], "[collector]\ninterval = 10\npush_interval = 10\n"),
            template("all", 0, &[], "[collector]\ninterval = 60\npush_interval = 60\nspool_max_age = \"1d\"\n"),
            template("test", 20, &[("stage", "test")], "[collector]\ninterval = 5\n"),
        ];
        let here = labels(&[("stage", "prod"), ("team", "shop")]);
        let found = under("[collector]\ninterval = 30\n", &here, &templates).unwrap();
        assert_eq!(found.text, "[collector]\ninterval = 30\npush_interval = 10\nspool_max_age = \"1d\"\n");
        assert_eq!(applied(&found), ["all", "prod"]);
    }

    #[test]
    fn of_equal_priority_the_first_by_name_wins_whatever_their_order() {
        let one = template("a", 0, &[], "[collector]\ninterval = 1\n");
        let two = template("b", 0, &[], "[collector]\ninterval = 2\n");
        for templates in [[one.clone(), two.clone()], [two, one]] {
            let found = under("", &Labels::new(), &templates).unwrap();
            assert_eq!(found.text, "[collector]\ninterval = 1\n");
        }
    }

    #[test]
    fn without_templates_it_is_what_was_written() {
        let written = "# ours\n[collector]\ninterval=30\n";
        let others = [template("prod", 10, &[("stage", "prod")], "[collector]\ninterval = 10\n")];
        let found = under(written, &Labels::new(), &others).unwrap();
        assert_eq!((found.text.as_str(), found.templates.len()), (written, 0));
    }

    #[test]
    fn what_only_the_templates_make_wrong_says_so() {
        let templates = [template("one", 0, &[], "[postgres]\ndatabases = [\"*\"]\n")];
        let written = "[[instances]]\nname = \"a\"\ndsn = \"host=a\"\n";
        let error = under(written, &Labels::new(), &templates).unwrap_err();
        assert_eq!(error.line, None);
        assert!(error.reason.starts_with("together with the templates that apply (one): "), "{error}");
        let error = under("[collector]\nno = 1\n", &Labels::new(), &templates).unwrap_err();
        assert_eq!(error.line, Some(2));
    }

    #[test]
    fn sets_come_after_what_is_written_for_whom_they_are() {
        let set = |name: &str, selector: &[(&str, &str)], collectors: Vec<Uuid>| {
            let files = SetFiles {
                set: "help = 'a' \"\"\" ''' \\ \n".to_owned(),
                sql: [("9.6".to_owned(), "select 1\n-- €".to_owned()), ("12".to_owned(), String::new())].into(),
            };
            let of = OwnSet { files, selector: labels(selector), collectors, note: None };
            Named { name: name.to_owned(), version: 2, of }
        };
        let (here, other) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let sets = vec![
            set("x_b", &[], vec![]),
            set("x_a", &[("stage", "prod")], vec![]),
            set("x_c", &[("stage", "test")], vec![]),
            set("x_d", &[], vec![other]),
            set("x_e", &[], vec![other, here]),
        ];
        let in_force = InForce { templates: Vec::new(), sets };
        let written = "# ours\n[collector]\ninterval=30";
        let found = effective(written, (here, &labels(&[("stage", "prod")])), &in_force, &Names::default()).unwrap();
        let names: Vec<&str> = found.custom_sets.iter().map(|set| set.name.as_str()).collect();
        assert_eq!(names, ["x_a", "x_b", "x_e"]);
        assert!(found.text.starts_with(&format!("{written}\n[custom_sets.x_a]\n")), "{}", found.text);
        let error = Config::check_written(&found.text, &Names::default()).unwrap_err();
        assert_eq!(error.line, Some(4), "{error}");
    }
}
