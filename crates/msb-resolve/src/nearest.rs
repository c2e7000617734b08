//! "Did you mean": the name that was most likely meant.

/// The candidate that is at most two edits from `name`; `None` if there is none, or if so many edits
/// would turn a short name into any other.
///
/// ```
/// assert_eq!(msb_resolve::nearest("reed", ["read", "write"]), Some("read"));
/// assert_eq!(msb_resolve::nearest("x", ["read", "write"]), None);
/// ```
#[must_use]
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    const EDITS_MAX: usize = 2;
    candidates
        .into_iter()
        .map(|candidate| (distance(name, candidate), candidate))
        .filter(|&(edits, candidate)| edits <= EDITS_MAX && edits < candidate.chars().count().min(name.len()))
        .min()
        .map(|(_, candidate)| candidate)
}

/// Levenshtein's distance, with the exchange of two neighbours as one edit.
fn distance(a: &str, b: &str) -> usize {
    // Names are short; an error in a megabyte of one must not cost a quadratic table.
    const CHARACTERS_MAX: usize = 64;
    let a: Vec<char> = a.chars().take(CHARACTERS_MAX).collect();
    let b: Vec<char> = b.chars().take(CHARACTERS_MAX).collect();
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=b.len()).collect();
    for i in 0..a.len() {
        let mut row = vec![i + 1];
        for j in 0..b.len() {
            let change = above[j] + usize::from(a[i] != b[j]);
            let mut edits = change.min(above[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && a[i] == b[j - 1] && a[i - 1] == b[j] {
                edits = edits.min(before[j - 1] + 1);
            }
            row.push(edits);
        }
        before = std::mem::replace(&mut above, row);
    }
    above.last().copied().unwrap_or(0)
}
