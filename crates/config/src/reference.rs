//! The reference page of the collector's file, written from the tables in code.

use std::fmt::Write;

use crate::dsn::{KEYWORDS, Use};
use crate::load::DEFAULT_PATH;
use crate::settings::{ENABLED, SETTINGS, SWITCH_INTERVAL, TABLES};

/// The page, as Markdown.
pub fn reference_markdown() -> String {
    let mut page = format!(
        "# The collector's configuration\n\n\
         Generated from the table of settings in `crates/config`; do not edit.\n\n\
         One TOML file, `--config FILE`, otherwise `{DEFAULT_PATH}`, which may be absent when `POSTGRES_DSN` is set. \
         The environment wins over the file; an empty variable counts as not set. A secret may come from a file: \
         append `_file` to its key, or `_FILE` to its variable. Unknown keys and bad values are refused with their \
         line. `--print-config` shows what is in force and where it came from. What the server may set for a collector, \
         and what wins, is said in [Steering](../steering.md).\n"
    );
    for table in TABLES {
        let _ = write!(
            page,
            "\n## `[{table}]`\n\n| key | environment | default | holds | by the server | meaning |\n|---|---|---|---|---|---|\n"
        );
        for setting in SETTINGS.iter().filter(|setting| setting.table == table) {
            let default = match setting.default {
                Some("") => "none".to_owned(),
                Some(default) => format!("`{default}`"),
                None => "not set".to_owned(),
            };
            let (key_file, env_file) = match setting.secret() {
                true => (format!(", `{}_file`", setting.key), format!(", `{}_FILE`", setting.env)),
                false => Default::default(),
            };
            let _ = writeln!(
                page,
                "| `{}`{key_file} | `{}`{env_file} | {default} | {} | {} | {} |",
                setting.key,
                setting.env,
                setting.kind.expected(),
                if setting.pushable().is_ok() { "yes" } else { "no" },
                setting.help
            );
        }
    }
    let _ = write!(
        page,
        "\nIn the environment a list is separated by commas, and every number may have a unit \
         (`s`, `m`, `h`, `d`; `kB`, `MB`, `GB`, `TB`, powers of 1024).\n\n\
         Variables of version 3 are understood: `COLLECTOR_ID` is `COLLECTOR_NAME`; `POSTGRES_HOST` and `POSTGRES_PORT` \
         take the place of host and port in the connection string of `[postgres]`, unless `POSTGRES_DSN` is set (a \
         `POSTGRES_PORT` such as `tcp://…`, which Kubernetes sets for a service named postgres, is none).\n\n\
         What the server pushes (`docs/steering.md`) lies under the file: environment over file over pushed.\n\n\
         ## `[[instances]]`\n\n\
         For more than one instance, in place of `[postgres]`: the same keys, `name` and `dsn` required, names unique. \
         An instance may have tables of groups and sets of its own: `[instances.<group>]`, `[instances.sets.<set>]`.\n\n\
         ## Groups and sets\n\n\
         `[<group>]` and `[sets.<set>]`, by the names of the catalogue. For a group the environment has \
         `<GROUP>_ENABLED` and `<GROUP>_INTERVAL`.\n\n| key | holds | meaning |\n|---|---|---|\n"
    );
    let _ = writeln!(
        page,
        "| `{}` | {} | Whether it is read; on unless said otherwise. |",
        ENABLED.0,
        ENABLED.1.expected()
    );
    let _ = writeln!(page, "| `{}` | {} | Between two readings. |", SWITCH_INTERVAL.0, SWITCH_INTERVAL.1.expected());
    page.push_str(
        "\nThe first that says something counts: the instance's table of the set, of its group, the file's table of \
         the set, of its group, the set's own default, `[collector] interval`. With `--override-intervals` the last \
         one applies to every set.\n\n\
         ## Connection strings\n\n\
         As libpq reads them: `postgresql://` URIs or `keyword = value` pairs, completed by the service file, the \
         environment and the password file. One host only.\n\n| keyword | environment | meaning |\n|---|---|---|\n",
    );
    for keyword in KEYWORDS {
        let meaning = match keyword.usage {
            Use::Used => keyword.help.to_owned(),
            Use::Ignored => format!("accepted without effect: {}", keyword.help),
            Use::Refused(reason) => format!("refused: {reason}"),
        };
        let env = keyword.env.map(|env| format!("`{env}`")).unwrap_or_default();
        let _ = writeln!(page, "| `{}` | {env} | {meaning} |", keyword.name);
    }
    page
}
