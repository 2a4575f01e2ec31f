//! The doctor's own words: troubles that no call fails of yet, and those of this machine. Failures of upstreams have
//! the codes of `diagnosis`.

/// A word of the doctor's, for `goodgate explain`.
#[derive(Debug)]
pub(crate) struct Word {
    /// The word.
    pub(crate) name: &'static str,
    /// What it means.
    pub(crate) meaning: &'static str,
    /// What to do.
    pub(crate) fix: &'static str,
}

macro_rules! words {
    ($($constant:ident = $name:literal, $meaning:literal, $fix:literal;)+) => {
        $(pub(crate) static $constant: Word = Word { name: $name, meaning: $meaning, fix: $fix };)+

        /// All of them.
        pub(crate) static ALL: &[&Word] = &[$(&$constant),+];
    };
}

words! {
    ADDRESS_DEAD = "address_dead",
        "One of the name's addresses does not connect while another does. Calls try the next address after a quarter of a second, so they work, but some begin late.",
        "Repair the route to that address, or take its record out of DNS.";
    CALLS_FAILING = "calls_failing",
        "The upstream answers what doctor asks, and yet half of the real calls of the last hour or more failed there: what fails is what calls do and doctor does not, such as the model's name, the key's rights or the load.",
        "See why: goodgate logs --failed --recovered, then goodgate explain with one of the ids; or make one call: goodgate doctor --live";
    CLOCK_SKEW = "clock_skew",
        "This machine's clock differs from that of the upstreams (their Date headers). Certificates and keys with dates may be refused, and waits told as a date are wrong.",
        "Set the clock by the network: sudo timedatectl set-ntp true";
    CONFIG_INVALID = "config_invalid",
        "The configuration has errors: a gateway does not start with it, and a running one keeps what it has.",
        "Run goodgate check, which shows every error with its line.";
    FILES_SHORT = "files_short",
        "The process may open few files, or has used most of them. Every connection is one; at the limit new connections are refused.",
        "Raise the limit: ulimit -n 65536, or LimitNOFILE=65536 in the systemd unit.";
    GATEWAY_SILENT = "gateway_silent",
        "The state folder says that a gateway listens, and nothing answers there.",
        "Start it with goodgate serve; its log tells why it ended.";
    HEALTH_CHECK_FAILING = "health_check_failing",
        "The upstream answers, and yet the path that the route's health check asks for does not answer 200 to 399. As long as that is so other upstreams are tried before it.",
        "Mend what the health path reports, or correct upstreams.health.path.";
    PORT_TAKEN = "port_taken",
        "Another program listens on the port that the configuration names, so the gateway cannot start.",
        "End that program, or choose another port with --listen 127.0.0.1:PORT.";
    RESOLVER_FAILING = "resolver_failing",
        "One of the machine's name servers does not answer for this name while another does. Names that are not in memory take longer.",
        "Repair that name server, or take it out of /etc/resolv.conf.";
    STORAGE_FULL = "storage_full",
        "Little space is left where calls and keys are stored. Without space calls are still served, and no longer recorded.",
        "Free some space, or set storage.retain lower.";
    STORAGE_UNUSABLE = "storage_unusable",
        "The folder for keys and records cannot be written.",
        "Give the user that runs goodgate the folder (chown), or name another with --state.";
    TIMEOUT_NEAR_P99 = "timeout_near_p99",
        "One answer in a hundred took almost as long as the limit allows: a slightly slower day cuts good answers off.",
        "Raise the limit in resilience.timeout, here or for this provider.";
    TLS_CERT_EXPIRING = "tls_cert_expiring",
        "The upstream's certificate ends within two weeks. If nobody renews it, calls fail with tls_cert_expired on that day.",
        "Have the upstream's operator renew the certificate.";
}

/// What `goodgate explain` says of a word.
pub(crate) fn explain(name: &str) -> Option<String> {
    let word = ALL.iter().find(|word| word.name == name)?;
    Some(format!(
        "{} (found by goodgate doctor)\n\n{}\n\nFix: {}\n",
        word.name, word.meaning, word.fix
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_word_of_the_doctors_is_a_code_or_a_word_of_check() {
        for word in ALL {
            assert_eq!(diagnosis::Code::parse(word.name), None, "{}", word.name);
            assert!(config::words().iter().all(|(other, _)| *other != word.name));
            assert!(explain(word.name).unwrap().contains(word.fix));
        }
    }
}
