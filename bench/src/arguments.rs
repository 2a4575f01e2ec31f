//! `--name value` and `--flag`, and nothing else. Whatever nobody asked for is an error.

use std::collections::HashMap;
use std::fmt::Display;
use std::str::FromStr;

/// The words after the verb.
#[derive(Debug, Default)]
pub(crate) struct Arguments {
    given: HashMap<String, Option<String>>,
}

impl Arguments {
    /// Reads the words; a word without dashes is the value of the name before it.
    ///
    /// # Errors
    /// A value without a name, or a name given twice.
    pub(crate) fn parse(words: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut given = HashMap::new();
        let mut words = words.peekable();
        while let Some(word) = words.next() {
            let name = word
                .strip_prefix("--")
                .ok_or_else(|| format!("`{word}` has no --name"))?
                .to_owned();
            let value = words.next_if(|word| !word.starts_with("--"));
            if given.insert(name, value).is_some() {
                return Err(format!("`{word}` is given twice"));
            }
        }
        Ok(Self { given })
    }

    /// Whether the flag is given.
    pub(crate) fn flag(&mut self, name: &str) -> bool {
        self.given.remove(name).is_some()
    }

    /// The value as it was written.
    pub(crate) fn text(&mut self, name: &str) -> Option<String> {
        self.given.remove(name).flatten()
    }

    /// The value, read as `T`.
    ///
    /// # Errors
    /// It is not a `T`, or missing after its name.
    pub(crate) fn optional<T: FromStr<Err: Display>>(
        &mut self,
        name: &str,
    ) -> Result<Option<T>, String> {
        match self.given.remove(name) {
            None => Ok(None),
            Some(None) => Err(format!("--{name} needs a value")),
            Some(Some(text)) => text
                .parse()
                .map(Some)
                .map_err(|error| format!("--{name} {text}: {error}")),
        }
    }

    /// The value, or `default`.
    ///
    /// # Errors
    /// As for `optional`.
    pub(crate) fn value<T: FromStr<Err: Display>>(
        &mut self,
        name: &str,
        default: &str,
    ) -> Result<T, String> {
        match self.optional(name)? {
            Some(value) => Ok(value),
            None => default
                .parse()
                .map_err(|error| format!("--{name} {default}: {error}")),
        }
    }

    /// The number, or `default`.
    ///
    /// # Errors
    /// As for `optional`.
    pub(crate) fn number<T: FromStr<Err: Display>>(
        &mut self,
        name: &str,
        default: T,
    ) -> Result<T, String> {
        Ok(self.optional(name)?.unwrap_or(default))
    }

    /// To be called when all that is known has been taken.
    ///
    /// # Errors
    /// Something is left over.
    pub(crate) fn finish(self) -> Result<(), String> {
        match self.given.keys().next() {
            None => Ok(()),
            Some(name) => Err(format!("--{name} is unknown; see goodgate-bench --help")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Arguments;

    fn parse(line: &str) -> Result<Arguments, String> {
        Arguments::parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn values_and_flags_are_taken_and_the_rest_is_refused() {
        let mut arguments = parse("--rounds 3 --stream --core 1").unwrap();
        assert_eq!(arguments.number("rounds", 7), Ok(3));
        assert_eq!(arguments.number("absent", 7), Ok(7));
        assert!(arguments.flag("stream"));
        assert!(arguments.finish().unwrap_err().contains("--core"));
        parse("--rounds x")
            .unwrap()
            .number("rounds", 1)
            .unwrap_err();
        parse("--rounds 1 --rounds 2").unwrap_err();
        parse("rounds").unwrap_err();
    }
}
