//! Writes what is derived from code and catalogue: `docs/reference/*`; and Grafana's dashboards. `make check` compares.

mod grafana;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use catalog::Catalog;

use crate::output;

/// Writes all generated files below a source tree.
pub(crate) fn run(root: &Path) -> Result<ExitCode> {
    let catalog = Catalog::embedded().context("read the embedded catalogue")?;
    let files = [
        ("catalog.md", catalog::reference(&catalog)),
        ("openmetrics.md", collector::exposition::reference_markdown(&catalog)),
        ("collector.md", config::reference_markdown()),
        ("report.md", ::report::reference_markdown()),
        ("server.md", server::settings::reference_markdown()),
        ("api.md", server::http::reference_markdown()),
        ("openapi.json", server::http::openapi_json()),
    ];
    let folder = root.join("docs/reference");
    std::fs::create_dir_all(&folder).with_context(|| format!("create {}", folder.display()))?;
    for (name, content) in files {
        write(&folder.join(name), &content)?;
    }
    for source in dashboards(root)? {
        let text = std::fs::read_to_string(&source).with_context(|| format!("read {}", source.display()))?;
        let made = grafana::dashboard(&text).with_context(|| format!("generate from {}", source.display()))?;
        let name = Path::new(source.file_stem().unwrap_or_default()).with_extension("json");
        write(&root.join("grafana/provisioning/dashboards").join(name), &made)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn write(path: &Path, content: &str) -> Result<()> {
    std::fs::write(path, content).with_context(|| format!("write {}", path.display()))?;
    output::progress(&format!("wrote {}", path.display()));
    Ok(())
}

/// The short files that dashboards are made of.
fn dashboards(root: &Path) -> Result<Vec<PathBuf>> {
    let folder = root.join("grafana/dashboards");
    let entries = std::fs::read_dir(&folder).with_context(|| format!("read {}", folder.display()))?;
    let mut paths = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    paths.sort();
    Ok(paths)
}
