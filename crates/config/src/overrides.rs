//! Variables and flags over the file: `GOODGATE_SERVER__LISTEN` and `--listen` are put into the tree before it is read,
//! so that they are checked like anything else, and errors name them.

use std::rc::Rc;

use crate::environment::Environment;
use crate::yaml::{Entry, Node, Quoted, Spot, Value};

const PREFIX: &str = "GOODGATE_";

/// Settings of the top level that are scalars themselves; other names without `__` are no settings.
const TOP_SCALARS: &[&str] = &["demo", "version"];

/// Puts every override into the tree: variables first, flags last, so that flags win.
pub(crate) fn apply(root: &mut Node, environment: &Environment) {
    for name in environment.names() {
        let Some(path) = name.strip_prefix(PREFIX).map(str::to_lowercase) else {
            continue;
        };
        let parts: Vec<&str> = path.split("__").collect();
        let is_setting = parts.len() > 1 || TOP_SCALARS.contains(&path.as_str());
        if !is_setting || parts.iter().any(|part| part.is_empty()) {
            continue;
        }
        if let Some(value) = environment.get(name) {
            set(root, &parts, value, &Rc::from(name));
        }
    }
    for (path, value) in environment.flags() {
        let last = path.rsplit('.').next().unwrap_or(path);
        let parts: Vec<&str> = path.split('.').collect();
        let origin = format!("--{}", last.replace('_', "-"));
        set(root, &parts, value, &Rc::from(origin));
    }
}

/// Names in variables are upper case and have `_` where a name may have `-` or `.`.
fn is_same(written: &str, part: &str) -> bool {
    written.len() == part.len()
        && written.chars().zip(part.chars()).all(|(one, other)| {
            one.to_ascii_lowercase() == other || (other == '_' && matches!(one, '-' | '.'))
        })
}

fn set(node: &mut Node, parts: &[&str], value: &str, origin: &Rc<str>) {
    let spot = Spot {
        origin: Some(origin.clone()),
        ..Spot::default()
    };
    let Some((part, rest)) = parts.split_first() else {
        node.value = Value::Scalar(value.to_owned(), Quoted::Yes);
        node.spot = spot;
        return;
    };
    // A scalar on the way cannot hold a setting: the override stands in its place, and reading it tells.
    if !matches!(node.value, Value::Map(_)) {
        *node = Node::empty_map();
        node.spot = spot.clone();
    }
    let Value::Map(entries) = &mut node.value else {
        return;
    };
    let at = match entries.iter().position(|entry| is_same(&entry.key, part)) {
        Some(at) => at,
        None => {
            entries.push(Entry {
                key: (*part).to_owned(),
                key_spot: spot.clone(),
                node: Node {
                    value: Value::Map(Vec::new()),
                    spot,
                },
            });
            entries.len() - 1
        }
    };
    if let Some(entry) = entries.get_mut(at) {
        set(&mut entry.node, rest, value, origin);
    }
}
