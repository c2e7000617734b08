//! Finds fenced code blocks.

/// A fenced code block of a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// The line of the opening fence, from 1.
    pub line: usize,
    /// What the block is an example of.
    pub example: Example,
    /// What stands between the fences, each line with its newline.
    pub text: String,
}

/// What a block is an example of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Example {
    /// Commands and what they print.
    Console,
    /// The same where Node.js is there.
    ConsoleOfNode,
    /// A policy that compiles.
    Accept,
    /// A policy that is refused with this code.
    Reject(String),
    /// What is written to a file of this name.
    File(String),
    /// For reading only.
    None,
}

impl Example {
    /// Reads the info string of a fence.
    ///
    /// # Errors
    /// When it begins with `console` or `msb`, or has more than one word, and goes on in a way that is not known: a
    /// misspelt word would turn a test off.
    fn parse(info: &str) -> Result<Example, String> {
        let words: Vec<&str> = info.split_whitespace().collect();
        match words.as_slice() {
            ["console"] => Ok(Example::Console),
            ["console", "node"] => Ok(Example::ConsoleOfNode),
            ["msb", "accept"] => Ok(Example::Accept),
            ["msb", "reject", code] => Ok(Example::Reject((*code).to_owned())),
            [_, file] if file.starts_with("file=") => Ok(Example::File(file["file=".len()..].to_owned())),
            [first, ..] if first.starts_with("console") || first.starts_with("msb") || words.len() > 1 => {
                Err(format!("`{info}` is no kind of example"))
            }
            _ => Ok(Example::None),
        }
    }
}

/// The fenced blocks of a page, in order.
///
/// # Errors
/// A line and what is wrong there: an unknown kind of example, or a fence that is never closed.
pub fn blocks(page: &str) -> Result<Vec<Block>, String> {
    let mut found = Vec::new();
    let mut lines = page.lines().enumerate();
    while let Some((at, line)) = lines.next() {
        let Some(info) = line.strip_prefix("```") else { continue };
        let example = Example::parse(info).map_err(|e| format!("line {}: {e}", at + 1))?;
        let mut text = String::new();
        loop {
            match lines.next() {
                Some((_, "```")) => break,
                Some((_, line)) => {
                    text.push_str(line);
                    text.push('\n');
                }
                None => return Err(format!("line {}: the block is never closed", at + 1)),
            }
        }
        found.push(Block { line: at + 1, example, text });
    }
    Ok(found)
}

#[cfg(test)]
mod tests;
