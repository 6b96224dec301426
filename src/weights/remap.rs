//! From the names of a public checkpoint to ours: an ordered list of patterns.

use std::borrow::Cow;

use regex::Regex;

/// Renames tensors as they are read. Every rule is tried in order on the result of the one before it.
#[derive(Clone, Debug, Default)]
pub struct Remap {
    rules: Vec<(Regex, String)>,
}

impl Remap {
    /// Names are taken as they are.
    pub fn none() -> Self {
        Self::default()
    }

    /// Rules of (pattern, replacement); `$1` in a replacement stands for the pattern's first group.
    ///
    /// # Errors
    /// A pattern is no regular expression.
    pub fn new(rules: &[(&str, &str)]) -> Result<Self, regex::Error> {
        let rules = rules
            .iter()
            .map(|(pattern, replacement)| Ok((Regex::new(pattern)?, (*replacement).to_owned())))
            .collect::<Result<_, regex::Error>>()?;
        Ok(Self { rules })
    }

    /// Our name for a tensor of the file.
    pub fn rename<'a>(&self, name: &'a str) -> Cow<'a, str> {
        let mut renamed = Cow::Borrowed(name);
        for (pattern, replacement) in &self.rules {
            if let Cow::Owned(new) = pattern.replace(&renamed, replacement) {
                renamed = Cow::Owned(new);
            }
        }
        renamed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_apply_one_after_the_other() {
        let remap = Remap::new(&[(r"^layer\.(\d+)\.", "blocks.$1."), (r"attention\.output", "attn.out")]).unwrap();
        assert_eq!(
            remap.rename("layer.11.attention.output.bias"),
            "blocks.11.attn.out.bias"
        );
        assert_eq!(remap.rename("head.weight"), "head.weight");
        assert!(Remap::new(&[("(", "")]).is_err());
    }
}
