//! What a launcher says to the processes that it starts, before MPI is there to be asked.

/// A process that was started as one of several.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Launched {
    /// Its number, from 0.
    pub rank: usize,
    /// How many were started.
    pub ranks: usize,
    /// How many of them on this host.
    pub on_host: usize,
}

/// What `mpirun` of OpenMPI, or a launcher by PMI, says; none where the process was started by itself.
#[must_use]
pub fn launched() -> Option<Launched> {
    of(|name| std::env::var(name).ok()?.parse().ok())
}

fn of(number: impl Fn(&str) -> Option<usize>) -> Option<Launched> {
    const NAMES: [[&str; 3]; 2] = [
        [
            "OMPI_COMM_WORLD_RANK",
            "OMPI_COMM_WORLD_SIZE",
            "OMPI_COMM_WORLD_LOCAL_SIZE",
        ],
        ["PMI_RANK", "PMI_SIZE", "MPI_LOCALNRANKS"],
    ];
    NAMES.into_iter().find_map(|[rank, ranks, on_host]| {
        let ranks = number(ranks)?;
        Some(Launched {
            rank: number(rank)?,
            ranks,
            on_host: number(on_host).unwrap_or(ranks),
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_variables_of_launchers_are_read() {
        let none = of(|_| None);
        assert_eq!(none, None);
        let pmi = of(|name| match name {
            "PMI_RANK" => Some(3),
            "PMI_SIZE" => Some(8),
            _ => None,
        });
        let expected = Launched {
            rank: 3,
            ranks: 8,
            on_host: 8,
        };
        assert_eq!(pmi, Some(expected));
    }
}
