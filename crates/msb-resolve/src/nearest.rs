//! "Did you mean": the name that was most likely meant.

/// The candidate that is `name` in another case, or at most two edits from it, or the only one that goes on
/// where it ends; `None` if there is none, or if so many edits would turn a short name into any other.
///
/// ```
/// assert_eq!(msb_resolve::nearest("reed", ["read", "write"]), Some("read"));
/// assert_eq!(msb_resolve::nearest("af_inet", ["AF_UNIX", "AF_INET"]), Some("AF_INET"));
/// assert_eq!(msb_resolve::nearest("@network", ["@network-io", "@mount"]), Some("@network-io"));
/// assert_eq!(msb_resolve::nearest("all", ["kill"]), None);
/// assert_eq!(msb_resolve::nearest("x", ["read", "write"]), None);
/// ```
#[must_use]
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    const EDITS_MAX: usize = 2;
    // Fewer letters begin too many names.
    const BEGINNING_MIN: usize = 4;
    let mut near: Option<(usize, &str)> = None;
    let mut longer: Vec<&str> = Vec::new();
    for candidate in candidates {
        if candidate.eq_ignore_ascii_case(name) {
            return Some(candidate);
        }
        // An edit changes the length by one character, which is at most four bytes.
        let edits_bytes = if name.is_ascii() { EDITS_MAX } else { 4 * EDITS_MAX };
        if candidate.len().abs_diff(name.len()) <= edits_bytes {
            let edits = distance(name, candidate);
            // `all` is not a misspelt `kill`: two edits are for long names.
            let shorter = candidate.chars().count().min(name.chars().count());
            let edits_max = match shorter {
                0..=2 => 0,
                3..=4 => 1,
                _ => EDITS_MAX,
            };
            if edits <= edits_max {
                near = near.map_or(Some((edits, candidate)), |least| Some(least.min((edits, candidate))));
            }
        }
        if name.len() >= BEGINNING_MIN && candidate.starts_with(name) {
            longer.push(candidate);
        }
    }
    let only = if let [only] = longer[..] { Some(only) } else { None };
    near.map(|(_, candidate)| candidate).or(only)
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
