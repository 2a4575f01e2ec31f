//! What people want to know of a certificate: for whom, by whom, from when to when.
//!
//! Reads DER far enough for that and checks nothing: trust is the TLS library's business.

use std::net::IpAddr;

/// A certificate as a server showed it. All text is the server's own: control characters are replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// Whom it is for: the common name, else the organisation, else nothing.
    pub subject: String,
    /// Who signed it, told the same way.
    pub issuer: String,
    /// The host names and addresses it is for.
    pub names: Vec<String>,
    /// Its first moment, seconds since 1970.
    pub not_before: i64,
    /// Its last moment, seconds since 1970.
    pub not_after: i64,
}

/// Most names that are kept; some certificates have hundreds.
const NAMES: usize = 100;

/// Tags. Source: X.690, 8; RFC 5280, 4.1.
const BOOLEAN: u8 = 0x01;
const INTEGER: u8 = 0x02;
const OCTETS: u8 = 0x04;
const OBJECT: u8 = 0x06;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const VERSION: u8 = 0xa0;
const EXTENSIONS: u8 = 0xa3;
const DNS_NAME: u8 = 0x82;
const IP_ADDRESS: u8 = 0x87;

/// Object identifiers: 2.5.4.3, 2.5.4.10 and 2.5.29.17.
const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];
const ORGANISATION: &[u8] = &[0x55, 0x04, 0x0a];
const ALTERNATIVE_NAMES: &[u8] = &[0x55, 0x1d, 0x11];

impl Certificate {
    /// Reads a certificate; `None` where it is none.
    #[must_use]
    pub fn read(der: &[u8]) -> Option<Self> {
        let mut signed = Der(Der(der).expect(SEQUENCE)?);
        let mut fields = Der(signed.expect(SEQUENCE)?);
        fields.skip_if(VERSION)?;
        fields.expect(INTEGER)?;
        fields.expect(SEQUENCE)?;
        let issuer = name(fields.expect(SEQUENCE)?);
        let mut validity = Der(fields.expect(SEQUENCE)?);
        let (not_before, not_after) = (time(validity.next()?)?, time(validity.next()?)?);
        let subject = name(fields.expect(SEQUENCE)?);
        fields.expect(SEQUENCE)?;
        let mut names = Vec::new();
        while let Some((tag, content)) = fields.next() {
            if tag == EXTENSIONS {
                names = alternative_names(Der(content).expect(SEQUENCE)?).unwrap_or_default();
            }
        }
        Some(Self {
            subject,
            issuer,
            names,
            not_before,
            not_after,
        })
    }
}

/// A run of DER elements.
#[derive(Clone, Copy)]
struct Der<'a>(&'a [u8]);

impl<'a> Der<'a> {
    /// The next element's tag and content; `None` at the end, and where what follows is no element.
    fn next(&mut self) -> Option<(u8, &'a [u8])> {
        let (tag, rest) = self.0.split_first()?;
        let (first, mut rest) = rest.split_first()?;
        let mut length = usize::from(*first);
        if length >= 0x80 {
            let count = length & 0x7f;
            // Four bytes of length are 4 GiB; none would be a length that is told by an end mark, which DER has not.
            if !(1..=4).contains(&count) {
                return None;
            }
            let (digits, after) = rest.split_at_checked(count)?;
            length = digits
                .iter()
                .fold(0, |sum, digit| (sum << 8) | usize::from(*digit));
            rest = after;
        }
        let (content, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some((*tag, content))
    }

    fn expect(&mut self, tag: u8) -> Option<&'a [u8]> {
        let (found, content) = self.next()?;
        (found == tag).then_some(content)
    }

    /// Passes over an optional element.
    fn skip_if(&mut self, tag: u8) -> Option<()> {
        if self.0.first() == Some(&tag) {
            self.next()?;
        }
        Some(())
    }
}

/// The common name of a distinguished name, else its organisation.
fn name(content: &[u8]) -> String {
    let mut sets = Der(content);
    let mut organisation = None;
    while let Some(set) = sets.expect(SET) {
        let mut pairs = Der(set);
        while let Some(pair) = pairs.expect(SEQUENCE) {
            let mut pair = Der(pair);
            let Some((kind, (_, text))) = pair.expect(OBJECT).zip(pair.next()) else {
                continue;
            };
            match kind {
                COMMON_NAME => return shown(text),
                ORGANISATION => organisation = Some(shown(text)),
                _ => {}
            }
        }
    }
    organisation.unwrap_or_default()
}

/// The names of the extension of that name; `None` without it.
fn alternative_names(extensions: &[u8]) -> Option<Vec<String>> {
    let mut extensions = Der(extensions);
    loop {
        let mut extension = Der(extensions.expect(SEQUENCE)?);
        if extension.expect(OBJECT)? != ALTERNATIVE_NAMES {
            continue;
        }
        extension.skip_if(BOOLEAN)?;
        let mut all = Der(Der(extension.expect(OCTETS)?).expect(SEQUENCE)?);
        let mut names = Vec::new();
        while let Some((tag, content)) = all.next()
            && names.len() < NAMES
        {
            match tag {
                DNS_NAME => names.push(shown(content)),
                IP_ADDRESS => names.extend(address(content)),
                _ => {}
            }
        }
        return Some(names);
    }
}

fn address(octets: &[u8]) -> Option<String> {
    let address = match octets.len() {
        4 => IpAddr::from(<[u8; 4]>::try_from(octets).ok()?),
        16 => IpAddr::from(<[u8; 16]>::try_from(octets).ok()?),
        _ => return None,
    };
    Some(address.to_string())
}

/// Text of a stranger's: it ends on a terminal, so no control character stays.
fn shown(text: &[u8]) -> String {
    String::from_utf8_lossy(text)
        .chars()
        .take(255)
        .map(|c| if c.is_control() { '?' } else { c })
        .collect()
}

/// Seconds since 1970. Source: RFC 5280, 4.1.2.5: both forms end in Z and have seconds.
fn time((tag, text): (u8, &[u8])) -> Option<i64> {
    let text = std::str::from_utf8(text).ok()?.strip_suffix('Z')?;
    let (year, rest) = match tag {
        UTC_TIME => {
            let (year, rest) = text.split_at_checked(2)?;
            let year = number(year)?;
            (if year < 50 { 2000 + year } else { 1900 + year }, rest)
        }
        GENERALIZED_TIME => {
            let (year, rest) = text.split_at_checked(4)?;
            (number(year)?, rest)
        }
        _ => return None,
    };
    if rest.len() != 10 {
        return None;
    }
    let part = |from: usize| number(rest.get(from..from + 2)?);
    let (month, day) = (part(0)?, part(2)?);
    let (hour, minute, second) = (part(4)?, part(6)?, part(8)?);
    let is_time = (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && hour < 24
        && minute < 60
        && second <= 60;
    is_time.then(|| days(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second)
}

fn number(digits: &str) -> Option<i64> {
    let all = digits.bytes().all(|digit| digit.is_ascii_digit());
    digits.parse().ok().filter(|_| all)
}

/// Days since 1970 of a day of the Gregorian calendar, counted in years that begin in March.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rcgen::{CertificateParams, DnType, KeyPair, SanType, date_time_ymd};

    use super::*;

    fn made(change: impl FnOnce(&mut CertificateParams)) -> Vec<u8> {
        let mut params =
            CertificateParams::new(vec!["a.example".to_owned(), "*.b.example".to_owned()]).unwrap();
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        params.self_signed(&key).unwrap().der().to_vec()
    }

    #[test]
    fn names_signer_and_dates_are_read() {
        let der = made(|params| {
            params.distinguished_name = rcgen::DistinguishedName::new();
            params
                .distinguished_name
                .push(DnType::OrganizationName, "Example Ltd");
            params
                .distinguished_name
                .push(DnType::CommonName, "a.\u{1b}[31mexample");
            params
                .subject_alt_names
                .push(SanType::IpAddress("10.0.0.1".parse().unwrap()));
            params
                .subject_alt_names
                .push(SanType::IpAddress("fd00::1".parse().unwrap()));
            params.not_before = date_time_ymd(1999, 12, 31);
            params.not_after = date_time_ymd(2090, 2, 28);
        });
        let read = Certificate::read(&der).unwrap();
        assert_eq!(read.subject, "a.?[31mexample");
        assert_eq!(read.issuer, read.subject);
        assert_eq!(
            read.names,
            ["a.example", "*.b.example", "10.0.0.1", "fd00::1"]
        );
        assert_eq!(read.not_before, 946_598_400);
        assert_eq!(read.not_after, 3_791_923_200);
    }

    #[test]
    fn an_organisation_stands_in_for_a_common_name() {
        let der = made(|params| {
            params.distinguished_name = rcgen::DistinguishedName::new();
            params
                .distinguished_name
                .push(DnType::OrganizationName, "Example Ltd");
        });
        assert_eq!(Certificate::read(&der).unwrap().subject, "Example Ltd");
    }

    #[test]
    fn times_of_both_forms_are_read_and_what_is_none_is_not() {
        for (tag, text, seconds) in [
            (UTC_TIME, "700101000000Z", Some(0)),
            (UTC_TIME, "491231235959Z", Some(2_524_607_999)),
            (UTC_TIME, "500101000000Z", Some(-631_152_000)),
            (GENERALIZED_TIME, "20000229120000Z", Some(951_825_600)),
            (GENERALIZED_TIME, "99991231235959Z", Some(253_402_300_799)),
            (GENERALIZED_TIME, "20001329120000Z", None),
            (UTC_TIME, "70010100000Z", None),
            (UTC_TIME, "700101000000", None),
            (UTC_TIME, "-70101000000Z", None),
            (UTC_TIME, "7001010000\u{e9}Z", None),
            (INTEGER, "700101000000Z", None),
        ] {
            assert_eq!(time((tag, text.as_bytes())), seconds, "{text}");
        }
    }

    proptest! {
        #[test]
        fn whatever_bytes_come_nothing_panics(
            at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<prop::sample::Index>(),
            noise in prop::collection::vec(any::<u8>(), 0..64),
        ) {
            static DER: std::sync::LazyLock<Vec<u8>> = std::sync::LazyLock::new(|| made(|_| {}));
            let mut der = DER.clone();
            let place = at.index(der.len());
            der[place] = byte;
            der.truncate(cut.index(der.len() + 1));
            drop(Certificate::read(&der));
            drop(Certificate::read(&noise));
        }
    }
}
