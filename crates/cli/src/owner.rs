//! Who holds a port: a busy one is an error that names its owner.

use std::fs;
use std::net::SocketAddr;

/// `pid 4312 (goodgate)`, where the system tells; Linux does for processes of the same user.
#[must_use]
pub fn of_port(address: SocketAddr) -> Option<String> {
    let inode = inode_of(address)?;
    let wanted = format!("socket:[{inode}]");
    for entry in fs::read_dir("/proc").ok()?.flatten() {
        let name = entry.file_name();
        let Some(pid) = name
            .to_str()
            .filter(|name| name.bytes().all(|b| b.is_ascii_digit()))
        else {
            continue;
        };
        let Ok(files) = fs::read_dir(entry.path().join("fd")) else {
            continue;
        };
        let holds = files.flatten().any(|file| {
            fs::read_link(file.path()).is_ok_and(|link| link.to_str() == Some(&wanted))
        });
        if holds {
            let command = fs::read_to_string(entry.path().join("comm")).unwrap_or_default();
            return Some(format!("pid {pid} ({})", command.trim()));
        }
    }
    None
}

/// The inode of the socket that listens on the port. Source: proc(5), `/proc/net/tcp`: state 0A is LISTEN.
fn inode_of(address: SocketAddr) -> Option<String> {
    let port = format!(":{:04X}", address.port());
    ["/proc/net/tcp", "/proc/net/tcp6"]
        .iter()
        .find_map(|table| {
            let text = fs::read_to_string(table).ok()?;
            text.lines().skip(1).find_map(|line| {
                let fields: Vec<&str> = line.split_whitespace().collect();
                let (local, state, inode) = (fields.get(1)?, fields.get(3)?, fields.get(9)?);
                (local.ends_with(&port) && *state == "0A").then(|| (*inode).to_owned())
            })
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_owner_of_a_port_is_named() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let owner = of_port(listener.local_addr().unwrap()).unwrap();
        assert!(
            owner.starts_with(&format!("pid {} (", std::process::id())),
            "{owner}"
        );
    }
}
