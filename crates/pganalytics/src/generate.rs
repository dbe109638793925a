//! Writes what is derived from code and catalogue: `docs/reference/*`. `make check` compares.

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result};
use catalog::Catalog;

use crate::output;

/// Writes all generated files below a source tree.
pub(crate) fn run(root: &Path) -> Result<ExitCode> {
    let catalog = Catalog::embedded().context("read the embedded catalogue")?;
    let files = [
        ("catalog.md", catalog::reference(&catalog)),
        ("collector.md", config::reference_markdown()),
        ("server.md", server::settings::reference_markdown()),
        ("api.md", server::http::reference_markdown()),
        ("openapi.json", server::http::openapi_json()),
    ];
    let folder = root.join("docs/reference");
    std::fs::create_dir_all(&folder).with_context(|| format!("create {}", folder.display()))?;
    for (name, content) in files {
        let path = folder.join(name);
        std::fs::write(&path, content).with_context(|| format!("write {}", path.display()))?;
        output::progress(&format!("wrote {}", path.display()));
    }
    Ok(ExitCode::SUCCESS)
}
