//! The headers of one head, kept as they lie in it: a head has a dozen, and most are never asked for.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};

/// Header fields in their order, names in lower case. They share one block of memory; a look walks over all of them.
#[derive(Clone, Debug, Default)]
pub struct Headers {
    block: Bytes,
    fields: Vec<Field>,
}

/// Where a field lies in the block.
#[derive(Clone, Copy, Debug)]
struct Field {
    name: Place,
    value: Place,
}

#[derive(Clone, Copy, Debug)]
struct Place {
    start: u32,
    length: u32,
}

impl Place {
    fn of(self, block: &[u8]) -> &[u8] {
        let (start, length) = (self.start as usize, self.length as usize);
        block
            .get(start..start.saturating_add(length))
            .unwrap_or_default()
    }
}

impl Headers {
    /// The fields of a head that has been parsed, whose names and values lie in `head`. Copies it once.
    pub(crate) fn of(head: &[u8], parsed: &[httparse::Header<'_>]) -> Self {
        let place = |text: &[u8]| {
            let start = text.as_ptr().addr().saturating_sub(head.as_ptr().addr());
            Place {
                start: u32::try_from(start).unwrap_or(u32::MAX),
                length: u32::try_from(text.len()).unwrap_or(0),
            }
        };
        let mut block = head.to_vec();
        let mut fields = Vec::with_capacity(parsed.len());
        for header in parsed {
            let name = place(header.name.as_bytes());
            let (start, length) = (name.start as usize, name.length as usize);
            if let Some(name) = block.get_mut(start..start.saturating_add(length)) {
                name.make_ascii_lowercase();
            }
            let value = place(header.value);
            fields.push(Field { name, value });
        }
        let block = Bytes::from(block);
        Self { block, fields }
    }

    /// A part of the head, sharing its memory.
    pub(crate) fn part(&self, head: &[u8], text: &[u8]) -> Bytes {
        let start = text.as_ptr().addr().saturating_sub(head.as_ptr().addr());
        let end = start.saturating_add(text.len());
        if end <= self.block.len() {
            self.block.slice(start..end)
        } else {
            Bytes::copy_from_slice(text)
        }
    }

    /// Name and value of each field; names are ASCII.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.fields
            .iter()
            .map(|field| (field.name.of(&self.block), field.value.of(&self.block)))
    }

    /// The first value of a field; `name` is in lower case.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        let field = self.fields.iter().find(|field| self.is(field, name))?;
        Some(field.value.of(&self.block))
    }

    /// The same, where it is text of visible ASCII and blanks.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        as_text(self.get(name)?)
    }

    /// Whether there is such a field; `name` is in lower case.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        self.fields.iter().any(|field| self.is(field, name))
    }

    /// Takes out all fields of a name, which is in lower case.
    pub fn remove(&mut self, name: &str) {
        let block = &self.block;
        self.fields
            .retain(|field| field.name.of(block) != name.as_bytes());
    }

    /// A value to be kept, sharing the head's memory.
    #[must_use]
    pub fn kept(&self, value: &[u8]) -> Option<HeaderValue> {
        HeaderValue::from_maybe_shared(self.part(&self.block, value)).ok()
    }

    /// All fields in a map, for whoever changes many or asks by kinds of names.
    #[must_use]
    pub fn to_map(&self) -> HeaderMap {
        let mut map = HeaderMap::with_capacity(self.fields.len());
        for (name, value) in self.iter() {
            let name = HeaderName::from_bytes(name);
            if let (Ok(name), Some(value)) = (name, self.kept(value)) {
                map.append(name, value);
            }
        }
        map
    }

    fn is(&self, field: &Field, name: &str) -> bool {
        field.name.length as usize == name.len() && field.name.of(&self.block) == name.as_bytes()
    }
}

impl From<&HeaderMap> for Headers {
    fn from(map: &HeaderMap) -> Self {
        let mut block = Vec::with_capacity(512);
        let mut fields = Vec::with_capacity(map.len());
        let mut put = |text: &[u8]| {
            let start = u32::try_from(block.len()).unwrap_or(u32::MAX);
            block.extend_from_slice(text);
            let length = u32::try_from(text.len()).unwrap_or(0);
            Place { start, length }
        };
        for (name, value) in map {
            let name = put(name.as_str().as_bytes());
            let value = put(value.as_bytes());
            fields.push(Field { name, value });
        }
        Self {
            block: Bytes::from(block),
            fields,
        }
    }
}

/// A header's value as text, where it is visible ASCII and blanks.
#[must_use]
pub fn as_text(value: &[u8]) -> Option<&str> {
    let odd = |byte: u8| byte >= 0x7f || (byte < b' ' && byte != b'\t');
    if value.iter().fold(false, |found, byte| found | odd(*byte)) {
        return None;
    }
    std::str::from_utf8(value).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(head: &str) -> Headers {
        let mut slots = [httparse::EMPTY_HEADER; 16];
        let mut request = httparse::Request::new(&mut slots);
        assert!(request.parse(head.as_bytes()).unwrap().is_complete());
        Headers::of(head.as_bytes(), request.headers)
    }

    #[test]
    fn fields_are_found_by_name_in_their_order() {
        let mut headers =
            read("GET / HTTP/1.1\r\nX-A: 1\r\nHost: h\r\nx-a: \r\nX-B: \u{e9}\r\n\r\n");
        let names: Vec<_> = headers.iter().map(|(name, _)| name.to_owned()).collect();
        let wanted: [&[u8]; 4] = [b"x-a", b"host", b"x-a", b"x-b"];
        assert_eq!(names, wanted);
        assert_eq!(headers.get("x-a"), Some(b"1".as_slice()));
        assert_eq!(headers.text("host"), Some("h"));
        assert_eq!((headers.text("x-b"), headers.get("x-c")), (None, None));
        assert_eq!(headers.to_map().get_all("x-a").iter().count(), 2);
        headers.remove("x-a");
        assert!(!headers.contains("x-a") && headers.contains("x-b"));
    }

    #[test]
    fn a_map_and_back_is_the_same() {
        let map = read("GET / HTTP/1.1\r\na: 1\r\nb: 2\r\na: 3\r\n\r\n").to_map();
        assert_eq!(Headers::from(&map).to_map(), map);
    }
}
