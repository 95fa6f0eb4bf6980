//! The numbers behind a figure, as a CSV file that is a part of the page.

use logs::export::quoted;

/// A table: what the columns are called, and rows of as many cells.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Table {
    csv: String,
}

impl Table {
    pub(crate) fn new<'a>(columns: impl IntoIterator<Item = &'a str>) -> Self {
        let mut table = Self::default();
        table.row(columns.into_iter().map(str::to_owned));
        table
    }

    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        let cells = cells.into_iter().map(|cell| quoted(&cell).into_owned());
        let cells: Vec<String> = cells.collect();
        self.csv += &cells.join(",");
        self.csv.push('\n');
    }

    /// An address that holds the whole file, for a link.
    pub(crate) fn address(&self) -> String {
        let mut address = "data:text/csv;charset=utf-8,".to_owned();
        for byte in self.csv.bytes() {
            match byte {
                b'a'..=b'z'
                | b'A'..=b'Z'
                | b'0'..=b'9'
                | b','
                | b'.'
                | b'-'
                | b'_'
                | b'='
                | b':' => {
                    address.push(byte.into());
                }
                byte => {
                    let digits =
                        [byte >> 4, byte & 15].map(|half| char::from_digit(half.into(), 16));
                    address.push('%');
                    address.extend(
                        digits
                            .into_iter()
                            .flatten()
                            .map(|digit| digit.to_ascii_uppercase()),
                    );
                }
            }
        }
        address
    }
}

/// A number in full, as other programs read it: `nan`, `inf` and `-inf` where it is not finite.
pub(crate) fn number(value: f64) -> String {
    if value.is_nan() {
        "nan".to_owned()
    } else {
        value.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A name of an arm must not end the link, the row or the cell it stands in.
    #[test]
    fn an_address_holds_any_text() {
        let mut table = Table::new(["arm", "loss"]);
        table.row(["a \"b\", <c>\n%é".to_owned(), number(f64::NEG_INFINITY)]);
        assert_eq!(table.csv, "arm,loss\n\"a \"\"b\"\", <c>\\u000a%é\",-inf\n");
        let address = table.address();
        assert!(
            !address.contains(['"', '<', '#', '\n', ' ', '&']),
            "{address}"
        );
        assert!(address.ends_with("%25%C3%A9%22,-inf%0A"), "{address}");
    }
}
