//! Keys are kept hashed, once, until revoked.

use store::{KeyRow, StoreError};
use types::KeyId;

use crate::Bench;

fn key(name: &str, fill: u8) -> KeyRow {
    KeyRow {
        id: KeyId::new(name),
        hash: [fill; 32],
        hint: "sk-gg-dev-7Kq3…e2Lp".to_owned(),
        created_millis: 1_790_000_000_000,
        expires_millis: Some(1_799_000_000_000),
        revoked_millis: None,
    }
}

#[test]
fn a_key_outlives_the_store_and_can_be_revoked_once() {
    let bench = Bench::new();
    bench.store.add_key(&key("first", 1)).unwrap();
    let bench = bench.reopened();
    assert_eq!(bench.store.keys().unwrap(), [key("first", 1)]);
    let id = KeyId::new("first");
    assert!(bench.store.revoke_key(&id, 5).unwrap());
    assert!(bench.store.revoke_key(&id, 9).unwrap());
    assert_eq!(bench.store.keys().unwrap()[0].revoked_millis, Some(5));
    assert!(!bench.store.revoke_key(&KeyId::new("nobody"), 9).unwrap());
}

#[test]
fn neither_a_name_nor_a_key_is_taken_twice() {
    let bench = Bench::new();
    bench.store.add_key(&key("first", 1)).unwrap();
    for again in [key("first", 2), key("second", 1)] {
        let error = bench.store.add_key(&again).unwrap_err();
        assert!(matches!(error, StoreError::DuplicateKey { .. }), "{error}");
    }
    assert_eq!(bench.store.keys().unwrap().len(), 1);
}
