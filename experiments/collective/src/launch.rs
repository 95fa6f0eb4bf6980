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
    /// Its number among those, from 0.
    pub place_on_host: usize,
}

/// What `mpirun` of OpenMPI, or a launcher by PMI, says; none where the process was started by itself.
#[must_use]
pub fn launched() -> Option<Launched> {
    of(|name| std::env::var(name).ok()?.parse().ok())
}

fn of(number: impl Fn(&str) -> Option<usize>) -> Option<Launched> {
    const NAMES: [[&str; 4]; 2] = [
        [
            "OMPI_COMM_WORLD_RANK",
            "OMPI_COMM_WORLD_SIZE",
            "OMPI_COMM_WORLD_LOCAL_SIZE",
            "OMPI_COMM_WORLD_LOCAL_RANK",
        ],
        ["PMI_RANK", "PMI_SIZE", "MPI_LOCALNRANKS", "MPI_LOCALRANKID"],
    ];
    NAMES.into_iter().find_map(|[rank, ranks, on_host, place]| {
        let (rank, ranks) = (number(rank)?, number(ranks)?);
        let on_host = number(on_host).unwrap_or(ranks);
        Some(Launched {
            rank,
            ranks,
            on_host,
            // Without a word of it, hosts are taken to be filled one after another.
            place_on_host: number(place).unwrap_or(rank % on_host.max(1)),
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
            place_on_host: 3,
        };
        assert_eq!(pmi, Some(expected));
        let open_mpi = of(|name| match name {
            "OMPI_COMM_WORLD_RANK" => Some(3),
            "OMPI_COMM_WORLD_SIZE" => Some(8),
            "OMPI_COMM_WORLD_LOCAL_SIZE" => Some(4),
            "OMPI_COMM_WORLD_LOCAL_RANK" => Some(1),
            _ => None,
        });
        let expected = Launched {
            on_host: 4,
            place_on_host: 1,
            ..expected
        };
        assert_eq!(open_mpi, Some(expected));
    }
}
