//! One state folder, one gateway; what lies in it is its owner's alone.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use store::{StateFolder, StoreError};

#[test]
fn a_second_gateway_is_told_who_holds_the_folder() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("a/b");
    let first = StateFolder::hold(&path).unwrap();
    first.announce("127.0.0.1:4000").unwrap();
    let error = StateFolder::hold(&path).unwrap_err();
    assert!(matches!(error, StoreError::InUse { .. }));
    let text = error.to_string();
    let expected = format!("pid {}, listening on 127.0.0.1:4000", std::process::id());
    assert!(text.ends_with(&expected), "{text}");
    drop(first);
    StateFolder::hold(&path).unwrap();
}

#[test]
fn a_folder_that_is_handed_on_is_never_free() {
    let home = tempfile::tempdir().unwrap();
    let old = StateFolder::hold(home.path()).unwrap();
    old.announce("127.0.0.1:4000").unwrap();
    let new = StateFolder::adopt(home.path(), old.lock_for_successor().unwrap());
    new.announce("127.0.0.1:4999").unwrap();
    drop(old);
    let error = StateFolder::hold(home.path()).unwrap_err();
    assert!(
        error.to_string().ends_with("listening on 127.0.0.1:4999"),
        "{error}"
    );
    drop(new);
    StateFolder::hold(home.path()).unwrap();
}

#[test]
fn the_folder_and_its_files_are_private() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("state");
    let folder = StateFolder::hold(&path).unwrap();
    folder.write_private("admin-token", "secret\n").unwrap();
    folder.write_private("admin-token", "newer\n").unwrap();
    assert_eq!(
        folder.read_private("admin-token").unwrap().as_deref(),
        Some("newer\n")
    );
    assert_eq!(folder.read_private("nothing").unwrap(), None);
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&path), 0o700);
    for entry in fs::read_dir(&path).unwrap() {
        let entry = entry.unwrap().path();
        assert_eq!(mode(&entry), 0o600, "{}", entry.display());
    }
}

#[test]
fn a_folder_that_cannot_be_made_is_an_error_that_names_it() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("file");
    fs::write(&file, "").unwrap();
    let error = StateFolder::hold(&file.join("state")).unwrap_err();
    assert!(error.to_string().contains("file/state"), "{error}");
}
