//! Words that a shell reads back.

/// Characters besides letters and digits that no shell takes for anything but themselves inside a word.
/// Every `--set key=value` has some, which is why this is not left to a library that quotes them.
const PLAIN: &str = "-_./=:,+@%";

/// A word that a POSIX shell reads back as the same one argument.
#[must_use]
pub fn shell_word(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || PLAIN.contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

/// A command line that a POSIX shell reads back as the same arguments.
#[must_use]
pub fn shell_command(arguments: &[String]) -> String {
    let words: Vec<String> = arguments.iter().map(|word| shell_word(word)).collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_command_can_be_pasted_into_a_shell() {
        let command = ["workbench", "--set", "a.b=1e-4", "my card.toml", "it's", ""];
        assert_eq!(
            shell_command(&command.map(str::to_owned)),
            r"workbench --set a.b=1e-4 'my card.toml' 'it'\''s' ''"
        );
        assert_eq!(
            shell_word("type:transformer|embedding"),
            "'type:transformer|embedding'"
        );
    }

    proptest! {
        #[test]
        fn prop_a_shell_reads_the_same_arguments(words in prop::collection::vec(any::<String>(), 0..5)) {
            prop_assert_eq!(shlex::split(&shell_command(&words)), Some(words));
        }
    }
}
