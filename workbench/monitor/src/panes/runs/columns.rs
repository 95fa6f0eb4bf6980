//! The columns of the sweep table, and which of them fit.

/// A column of the sweep table, which is also a sort order.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Column {
    /// The order of the plan; shown as the selection mark.
    Plan,
    /// Arm.
    #[default]
    Arm,
    /// Seed.
    Seed,
    /// Share of the planned steps done.
    Progress,
    /// Steps done.
    Step,
    /// The training loss over the run, as bars.
    Curve,
    /// Last training loss.
    Loss,
    /// Last held-out loss.
    HeldOut,
    /// Outcome by the card's rules.
    Outcome,
    /// What the process is doing.
    State,
}

impl Column {
    /// All columns from left to right.
    pub(super) const ALL: [Self; 10] = [
        Self::Plan,
        Self::Arm,
        Self::Seed,
        Self::Progress,
        Self::Step,
        Self::Curve,
        Self::Loss,
        Self::HeldOut,
        Self::Outcome,
        Self::State,
    ];

    /// Heading.
    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Plan => "",
            Self::Arm => "arm",
            Self::Seed => "seed",
            Self::Progress => "progress",
            Self::Step => "step",
            Self::Curve => "curve",
            Self::Loss => "loss",
            Self::HeldOut => "held-out",
            Self::Outcome => "outcome",
            Self::State => "state",
        }
    }

    /// Whether its values are numbers, which are aligned to the right.
    pub(super) fn is_number(self) -> bool {
        matches!(self, Self::Seed | Self::Step | Self::Loss | Self::HeldOut)
    }

    /// The columns by the names that commands use.
    pub(super) fn names() -> impl Iterator<Item = (&'static str, Self)> {
        let name = |column: Self| match column {
            Self::Plan => "plan",
            column => column.title(),
        };
        Self::ALL
            .into_iter()
            .map(move |column| (name(column), column))
    }

    pub(super) fn next(self) -> Self {
        let here = Self::ALL
            .iter()
            .position(|column| *column == self)
            .unwrap_or(0);
        Self::ALL[(here + 1) % Self::ALL.len()]
    }
}

/// The columns of the sweep table that fit into `width`, from left to right: offset and width of each.
///
/// First the state shrinks to its glyph, then columns of little use are left out; what is left over goes to the
/// arm's name and the bar.
pub(super) fn fitting(width: u16, longest_arm: u16) -> Vec<(Column, u16, u16)> {
    const LEAVE_OUT: [Column; 7] = [
        Column::Curve,
        Column::Step,
        Column::Progress,
        Column::HeldOut,
        Column::Seed,
        Column::Loss,
        Column::State,
    ];
    let arm = longest_arm.clamp(4, 26);
    let least = |column| match column {
        Column::Plan | Column::State => 1,
        Column::Arm => arm.min(14),
        Column::Seed => 4,
        Column::Progress | Column::HeldOut => 8,
        Column::Step | Column::Loss => 7,
        Column::Curve => 10,
        Column::Outcome => 9,
    };
    let mut kept: Vec<Column> = Column::ALL.to_vec();
    let needed = |kept: &[Column]| {
        kept.iter()
            .map(|column| least(*column) + 1)
            .sum::<u16>()
            .saturating_sub(1)
    };
    for column in LEAVE_OUT {
        if needed(&kept) > width {
            kept.retain(|other| *other != column);
        }
    }
    let mut spare = width.saturating_sub(needed(&kept));
    let mut widths: Vec<(Column, u16)> = kept
        .into_iter()
        .map(|column| (column, least(column)))
        .collect();
    // The state's name is worth its width whole or not at all.
    for (column, wanted) in [
        (Column::State, 12),
        (Column::Arm, arm - least(Column::Arm)),
        (Column::Progress, 14),
    ] {
        let extra = if column == Column::State && spare < wanted {
            0
        } else {
            wanted.min(spare)
        };
        if let Some((_, width)) = widths.iter_mut().find(|(other, _)| *other == column) {
            *width += extra;
            spare -= extra;
        }
    }
    let mut x = 0;
    let mut placed = Vec::with_capacity(widths.len());
    for (column, wanted) in widths {
        let column_width = wanted.min(width.saturating_sub(x));
        if column_width > 0 {
            placed.push((column, x, column_width));
        }
        x += column_width + 1;
    }
    placed
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn columns_of_a_narrow_table_keep_arm_and_outcome() {
        let kept: Vec<Column> = fitting(24, 12)
            .into_iter()
            .map(|(column, ..)| column)
            .collect();
        assert_eq!(kept, [Column::Plan, Column::Arm, Column::Outcome]);
        assert_eq!(fitting(90, 12).len(), Column::ALL.len());
        assert!(fitting(0, 12).is_empty());
    }

    proptest! {
        #[test]
        fn prop_columns_stay_inside(width in 0u16..200, arm in 0u16..80) {
            for (_, x, column_width) in fitting(width, arm) {
                prop_assert!(x + column_width <= width);
            }
        }
    }
}
