//! What became of each tensor when a module was loaded.

use std::fmt;

/// A tensor whose shape does not fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    pub name: String,
    pub found: Vec<usize>,
    pub expected: Vec<usize>,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "tensor {} is {:?}, expected {:?}",
            self.name, self.found, self.expected
        )
    }
}

/// Every parameter of the module and every tensor of the file is in exactly one list, except that reshaped ones are
/// applied as well.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LoadReport {
    /// Parameters that were set.
    pub applied: Vec<String>,
    /// Parameters that the file does not have.
    pub missing: Vec<String>,
    /// Tensors under the module's prefix that no parameter asked for, under their names in the file.
    pub unexpected: Vec<String>,
    /// Tensors that fitted after axes of length one were added or dropped.
    pub reshaped: Vec<Mismatch>,
}

impl LoadReport {
    /// Nothing was missing and nothing was left over.
    pub fn is_clean(&self) -> bool {
        self.missing.is_empty() && self.unexpected.is_empty()
    }

    /// Adds another module's report to this one.
    pub fn merge(&mut self, other: Self) {
        self.applied.extend(other.applied);
        self.missing.extend(other.missing);
        self.unexpected.extend(other.unexpected);
        self.reshaped.extend(other.reshaped);
    }
}

impl fmt::Display for LoadReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} tensors fit", self.applied.len())?;
        list(f, "missing", &self.missing)?;
        list(f, "unexpected", &self.unexpected)?;
        let reshaped: Vec<String> = self.reshaped.iter().map(|tensor| tensor.name.clone()).collect();
        list(f, "reshaped", &reshaped)
    }
}

/// A few names say what is wrong; hundreds would hide it.
fn list(f: &mut fmt::Formatter<'_>, what: &str, names: &[String]) -> fmt::Result {
    const SHOWN: usize = 3;
    if names.is_empty() {
        return Ok(());
    }
    let shown = names[..names.len().min(SHOWN)].join(", ");
    let more = if names.len() > SHOWN { ", …" } else { "" };
    write!(f, ", {} {what} ({shown}{more})", names.len())
}
