//! The pages in a real browser, over the demo: what `web/browser/walk.mjs` does and looks at.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::demo::Demo;

/// What `scripts/setup test` sees to.
const INSTALL: &str = "`make test` installs what the browser test needs";

/// The names that Chromium goes by.
const BROWSERS: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];

/// Until a young instance has its first row.
const PATIENCE_MS: &str = "90000";

/// Until the part of the range that the walk zooms to has figures.
const READY_MS: &str = "120000";

fn program(names: &[&str]) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path)
        .flat_map(|folder| names.iter().map(move |name| folder.join(name)))
        .find(|file| file.is_file())
}

fn chromium() -> PathBuf {
    let chosen = env::var_os("CHROMIUM").map(PathBuf::from).or_else(|| program(&BROWSERS));
    chosen.unwrap_or_else(|| panic!("Chromium is not on the PATH and CHROMIUM is not set: {INSTALL}"))
}

#[tokio::test]
async fn a_reader_walks_through_the_pages_of_the_demo() {
    let web = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../web");
    let node = program(&["node"]).unwrap_or_else(|| panic!("Node is not on the PATH: {INSTALL}"));
    let chromium = chromium();
    for (file, what) in [("node_modules/playwright-core/package.json", "installed"), ("dist/index.html", "built")] {
        assert!(web.join(file).is_file(), "the pages are not {what}, web/{file} is missing: {INSTALL}");
    }

    let mut demo = Demo::prepare();
    let said = demo.start(&[]).await;
    let walk = Command::new(node)
        .arg(web.join("browser/walk.mjs"))
        .env("BASE_URL", &said.address)
        .env("USERNAME", "admin")
        .env("PASSWORD", &said.password)
        .env("CHROMIUM", chromium)
        .env("PRIMARY_DIR", demo.data_dir().join("primary"))
        .env("PATIENCE_MS", PATIENCE_MS)
        .env("READY_MS", READY_MS)
        .output()
        .unwrap();
    let told = format!("{}{}", String::from_utf8_lossy(&walk.stdout), String::from_utf8_lossy(&walk.stderr));
    assert!(walk.status.success(), "the walk found something wrong:\n{told}\nthe demo said:\n{}", demo.progress());
    demo.interrupt().await;
}
