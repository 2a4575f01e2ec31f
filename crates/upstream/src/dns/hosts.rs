//! The file of fixed names. Read anew for each name that is not in memory: it is small, and people edit it.

use std::net::IpAddr;
use std::path::Path;

/// The addresses the file has for `host`; `None` where it has none or cannot be read.
pub(super) fn look_up(path: &Path, host: &str) -> Option<Vec<IpAddr>> {
    let text = std::fs::read_to_string(path).ok()?;
    let found = find(&text, host.strip_suffix('.').unwrap_or(host));
    (!found.is_empty()).then_some(found)
}

fn find(text: &str, host: &str) -> Vec<IpAddr> {
    let mut found = Vec::new();
    for line in text.lines() {
        let entry = line.split('#').next().unwrap_or_default();
        let mut words = entry.split_whitespace();
        let Some(Ok(address)) = words.next().map(str::parse::<IpAddr>) else {
            continue;
        };
        if words.any(|name| name.eq_ignore_ascii_case(host)) && !found.contains(&address) {
            found.push(address);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_whatever_their_case_and_comments_are_not() {
        let text = "127.0.0.1 localhost\n# 10.0.0.9 old\n10.0.0.1\tApi.Example  api # api2\nfe80::1%lo0 x\n::2 api\n";
        let addresses = |host| find(text, host);
        assert_eq!(
            addresses("api.example"),
            ["10.0.0.1".parse::<IpAddr>().unwrap()]
        );
        assert_eq!(addresses("API").len(), 2);
        assert!(addresses("old").is_empty());
        assert!(addresses("api2").is_empty());
        assert!(addresses("x").is_empty());
    }
}
