//! What a collector gets in the end: the templates that its labels choose, the one of higher priority over the other,
//! and what is written for it alone over all of them.

use std::collections::BTreeMap;

use config::{Config, ConfigError, Names};

use super::model::AppliedTemplate;

/// Labels of a collector, or those that a template asks for.
pub(super) type Labels = BTreeMap<String, String>;

/// A template as it is in force.
#[derive(Clone, Debug)]
pub(super) struct Template {
    pub(super) name: String,
    pub(super) version: i64,
    pub(super) text: String,
    pub(super) selector: Labels,
    pub(super) priority: i32,
}

impl Template {
    pub(super) fn applies_to(&self, labels: &Labels) -> bool {
        self.selector.iter().all(|(label, value)| labels.get(label) == Some(value))
    }
}

/// What a collector gets.
#[derive(Clone, Debug)]
pub(super) struct Effective {
    pub(super) text: String,
    /// What is under it, the lowest first.
    pub(super) templates: Vec<AppliedTemplate>,
}

/// What a collector with these labels gets when this is written for it. Without a template that applies it gets what
/// is written, word for word.
///
/// # Errors
/// Why a collector would refuse it; without a line where that is the doing of the templates.
pub(super) fn effective(
    written: &str,
    labels: &Labels,
    templates: &[Template],
    names: &Names,
) -> Result<Effective, ConfigError> {
    let mut applied: Vec<&Template> = templates.iter().filter(|template| template.applies_to(labels)).collect();
    applied.sort_by(|a, b| (a.priority, &b.name).cmp(&(b.priority, &a.name)));
    Config::check_pushed(written, names)?;
    let Some((lowest, others)) = applied.split_first() else {
        return Ok(Effective { text: written.to_owned(), templates: Vec::new() });
    };
    let mut above = others.iter().map(|template| template.text.as_str()).chain([written]);
    let text = above.try_fold(lowest.text.clone(), |under, over| config::merge(over, &under));
    let text = text.and_then(|text| Config::check_pushed(&text, names).map(|()| text));
    let text = text.map_err(|error| {
        let under: Vec<&str> = applied.iter().map(|template| template.name.as_str()).collect();
        let reason = format!("together with the templates that apply ({}): {}", under.join(", "), error.reason);
        ConfigError { path: None, line: None, reason }
    })?;
    let templates =
        applied.iter().map(|template| AppliedTemplate { name: template.name.clone(), version: template.version });
    Ok(Effective { text, templates: templates.collect() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(pairs: &[(&str, &str)]) -> Labels {
        pairs.iter().map(|(label, value)| ((*label).to_owned(), (*value).to_owned())).collect()
    }

    fn template(name: &str, priority: i32, selector: &[(&str, &str)], text: &str) -> Template {
        Template { name: name.to_owned(), version: 1, text: text.to_owned(), selector: labels(selector), priority }
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
        let found = effective("[collector]\ninterval = 30\n", &here, &templates, &Names::default()).unwrap();
        assert_eq!(found.text, "[collector]\ninterval = 30\npush_interval = 10\nspool_max_age = \"1d\"\n");
        assert_eq!(applied(&found), ["all", "prod"]);
    }

    #[test]
    fn of_equal_priority_the_first_by_name_wins_whatever_their_order() {
        let one = template("a", 0, &[], "[collector]\ninterval = 1\n");
        let two = template("b", 0, &[], "[collector]\ninterval = 2\n");
        for templates in [[one.clone(), two.clone()], [two, one]] {
            let found = effective("", &Labels::new(), &templates, &Names::default()).unwrap();
            assert_eq!(found.text, "[collector]\ninterval = 1\n");
        }
    }

    #[test]
    fn without_templates_it_is_what_was_written() {
        let written = "# ours\n[collector]\ninterval=30\n";
        let others = [template("prod", 10, &[("stage", "prod")], "[collector]\ninterval = 10\n")];
        let found = effective(written, &Labels::new(), &others, &Names::default()).unwrap();
        assert_eq!((found.text.as_str(), found.templates.len()), (written, 0));
    }

    #[test]
    fn what_only_the_templates_make_wrong_says_so() {
        let templates = [template("one", 0, &[], "[postgres]\ndatabases = [\"*\"]\n")];
        let written = "[[instances]]\nname = \"a\"\ndsn = \"host=a\"\n";
        let error = effective(written, &Labels::new(), &templates, &Names::default()).unwrap_err();
        assert_eq!(error.line, None);
        assert!(error.reason.starts_with("together with the templates that apply (one): "), "{error}");
        let error = effective("[collector]\nno = 1\n", &Labels::new(), &templates, &Names::default()).unwrap_err();
        assert_eq!(error.line, Some(2));
    }
}
