//! Which addresses may be connected to, judged on what a name resolved to, not on the name.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// How far a destination may reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Reach {
    /// Public addresses only: for destinations that a caller names.
    Public,
    /// Also loopback and private networks: for destinations that the configuration names. The default.
    #[default]
    Private,
    /// Everything, link-local and metadata services too: only where the configuration says so outright.
    Anywhere,
}

impl Reach {
    /// Whether `address` may be connected to when it was resolved from `host`.
    ///
    /// A literal address in the configuration is named there, so it is allowed unless the reach is `Public`.
    #[must_use]
    pub fn allows(self, address: IpAddr, host: &str) -> bool {
        match self {
            Self::Anywhere => true,
            Self::Private => {
                class(address) != Class::LinkLocal || host.parse::<IpAddr>() == Ok(address)
            }
            Self::Public => class(address) == Class::Public,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Class {
    Public,
    Private,
    LinkLocal,
}

/// Metadata services outside the link-local range: Alibaba Cloud's and AWS's IPv6 one.
const METADATA_V4: Ipv4Addr = Ipv4Addr::new(100, 100, 100, 200);
const METADATA_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254);

fn class(address: IpAddr) -> Class {
    match address {
        IpAddr::V4(v4) => class_v4(v4),
        IpAddr::V6(v6) => class_v6(v6),
    }
}

fn class_v4(address: Ipv4Addr) -> Class {
    if address.is_link_local() || address == METADATA_V4 {
        return Class::LinkLocal;
    }
    let [first, second, ..] = address.octets();
    let shared = first == 100 && (64..128).contains(&second);
    let benchmark = first == 198 && (second == 18 || second == 19);
    if address.is_private()
        || address.is_loopback()
        || address.is_unspecified()
        || address.is_broadcast()
        || address.is_multicast()
        || address.is_documentation()
        || first == 0
        || first >= 240
        || shared
        || benchmark
    {
        return Class::Private;
    }
    Class::Public
}

fn class_v6(address: Ipv6Addr) -> Class {
    // An IPv4 address in IPv6 clothes reaches the same machine: mapped, 6to4's well-known NAT64 prefix.
    if let Some(v4) = embedded_v4(address) {
        return class_v4(v4);
    }
    if address.is_unicast_link_local() || address == METADATA_V6 {
        return Class::LinkLocal;
    }
    let [first, second, ..] = address.segments();
    let documentation = first == 0x2001 && second == 0x0db8;
    let site_local = first & 0xffc0 == 0xfec0;
    if address.is_loopback()
        || address.is_unspecified()
        || address.is_unique_local()
        || address.is_multicast()
        || documentation
        || site_local
    {
        return Class::Private;
    }
    Class::Public
}

fn embedded_v4(address: Ipv6Addr) -> Option<Ipv4Addr> {
    if let Some(v4) = address.to_ipv4_mapped() {
        return Some(v4);
    }
    match address.segments() {
        [0x0064, 0xff9b, 0, 0, 0, 0, high, low] => {
            let [a, b] = high.to_be_bytes();
            let [c, d] = low.to_be_bytes();
            Some(Ipv4Addr::new(a, b, c, d))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reach_allows_what_it_says_and_no_more() {
        // Address, allowed when public, allowed when private (named by a host name).
        let cases = [
            ("1.1.1.1", true, true),
            ("2606:4700::1111", true, true),
            ("127.0.0.1", false, true),
            ("10.1.2.3", false, true),
            ("172.31.0.1", false, true),
            ("192.168.1.1", false, true),
            ("100.64.0.1", false, true),
            ("0.0.0.0", false, true),
            ("::1", false, true),
            ("fd12::1", false, true),
            ("::ffff:10.0.0.1", false, true),
            ("169.254.169.254", false, false),
            ("::ffff:169.254.169.254", false, false),
            ("64:ff9b::a9fe:a9fe", false, false),
            ("fe80::1", false, false),
            ("fd00:ec2::254", false, false),
            ("100.100.100.200", false, false),
        ];
        for (text, public, private) in cases {
            let address: IpAddr = text.parse().unwrap();
            assert_eq!(
                Reach::Public.allows(address, "example.com"),
                public,
                "{text}"
            );
            assert_eq!(
                Reach::Private.allows(address, "example.com"),
                private,
                "{text}"
            );
            assert!(Reach::Anywhere.allows(address, "example.com"), "{text}");
        }
    }

    #[test]
    fn a_literal_address_in_the_configuration_is_named_there() {
        let metadata: IpAddr = "169.254.169.254".parse().unwrap();
        assert!(Reach::Private.allows(metadata, "169.254.169.254"));
        assert!(!Reach::Public.allows(metadata, "169.254.169.254"));
    }
}
