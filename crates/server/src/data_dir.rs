//! `DATA_DIR`: made for its owner alone, and tightened where it is wider and holds nothing but ours.

use std::fs::{DirBuilder, Permissions};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};

use anyhow::{Context as _, Result};

use crate::settings::Settings;

/// What this product puts into it: a directory with other things in it is somebody else's to close.
const OURS: [&str; 10] = [
    "postgresql",
    "postgresql.new",
    "postgresql.log",
    "postgresql.log.old",
    "jwt-secret",
    "grafana-password",
    crate::occupancy::OWNER,
    crate::occupancy::GUESTS,
    "demo",
    "lost+found",
];

/// Makes the directory, or closes it to others.
///
/// Root's private cluster runs as another account, which has to pass through: its group may, and nobody else.
///
/// # Errors
/// When it can be neither made nor looked at.
pub(crate) fn prepare(settings: &Settings) -> Result<()> {
    let path = settings.data_dir.as_path();
    DirBuilder::new().recursive(true).mode(0o700).create(path).with_context(|| format!("make {}", path.display()))?;
    let metadata = std::fs::metadata(path).with_context(|| format!("look at {}", path.display()))?;
    if !nix::unistd::access(path, nix::unistd::AccessFlags::W_OK).is_ok_and(|()| true) {
        anyhow::bail!("DATA_DIR {} is not writable by this user", path.display());
    }
    let account = settings.database_url.is_none().then(cluster::Account::current).transpose()?;
    let (group, mode) =
        account.as_ref().and_then(cluster::Account::other_group).map_or((None, 0o700), |group| (Some(group), 0o710));
    let found = metadata.mode() & 0o7777;
    let fits = group.is_none_or(|group| metadata.gid() == group);
    if fits && found & !mode & 0o777 == 0 && found & mode == mode {
        return Ok(());
    }
    let stranger = std::fs::read_dir(path)
        .with_context(|| format!("list {}", path.display()))?
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .find(|name| !is_ours(name));
    let own = metadata.uid() == nix::unistd::geteuid().as_raw();
    if found & 0o1000 != 0 || !own || stranger.is_some() {
        if found & 0o077 != 0 {
            let other = stranger.unwrap_or_else(|| "another owner".to_owned());
            tracing::warn!(
                path = %path.display(),
                mode = format!("{found:04o}"),
                other,
                "DATA_DIR is open to others and not this server's alone, so it is left as it is: give it a directory of its own"
            );
        }
        return Ok(());
    }
    if let Some(group) = group {
        std::os::unix::fs::chown(path, None, Some(group))
            .with_context(|| format!("give {} a group", path.display()))?;
    }
    std::fs::set_permissions(path, Permissions::from_mode(mode))
        .with_context(|| format!("close {}", path.display()))?;
    if found & 0o007 != 0 {
        tracing::warn!(path = %path.display(), from = format!("{found:04o}"), to = format!("{mode:04o}"), "DATA_DIR was open to others and is closed");
    }
    Ok(())
}

fn is_ours(name: &str) -> bool {
    // Half a secret that a crash left behind has its name and a suffix.
    OURS.contains(&name) || name.starts_with("jwt-secret.") || name.starts_with("grafana-password.")
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn mode_after(prepare_with: impl FnOnce(&Path)) -> u32 {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data");
        std::fs::create_dir(&path).unwrap();
        std::fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
        prepare_with(&path);
        let pairs = [("DATA_DIR", path.to_str().unwrap()), ("DATABASE_URL", "host=/nowhere dbname=x")];
        prepare(&Settings::from_pairs(&pairs).unwrap()).unwrap();
        std::fs::metadata(&path).unwrap().mode() & 0o7777
    }

    #[test]
    fn a_wide_directory_is_closed_unless_it_holds_other_things() {
        assert_eq!(mode_after(|path| std::fs::write(path.join("jwt-secret"), "x").unwrap()), 0o700);
        assert_eq!(mode_after(|path| std::fs::write(path.join("letters"), "x").unwrap()), 0o755);
        let sticky = Permissions::from_mode(0o1777);
        assert_eq!(mode_after(|path| std::fs::set_permissions(path, sticky).unwrap()), 0o1777);
    }

    #[test]
    fn one_that_is_made_is_its_owners_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b");
        let pairs = [("DATA_DIR", path.to_str().unwrap()), ("DATABASE_URL", "host=/nowhere dbname=x")];
        prepare(&Settings::from_pairs(&pairs).unwrap()).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o700);
    }
}
