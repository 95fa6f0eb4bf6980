//! A rank on threads that does something of its own at its messages: counts them, comes late, ends.

use experiments_collective::{CollectiveError, Engine, Inbound, Outbound, Purpose, threads};
use std::sync::Arc;

/// The engine of threads, which asks before it exchanges anything; an error is that of the exchange.
struct Meddling<F> {
    engine: threads::Threads,
    before: F,
}

/// The engines of so many ranks, of which one does this before each of its exchanges.
pub fn with_one_meddling<F>(ranks: usize, rank: usize, before: F) -> Vec<Arc<dyn Engine>>
where
    F: Fn(Purpose, &[Outbound]) -> Result<(), CollectiveError> + Send + Sync + 'static,
{
    let mut before = Some(before);
    let engines = threads::connect(ranks).into_iter().enumerate();
    let engines = engines.map(|(number, engine)| -> Arc<dyn Engine> {
        match before.take_if(|_| number == rank) {
            Some(before) => Arc::new(Meddling { engine, before }),
            None => Arc::new(engine),
        }
    });
    engines.collect()
}

impl<F> Engine for Meddling<F>
where
    F: Fn(Purpose, &[Outbound]) -> Result<(), CollectiveError> + Send + Sync,
{
    fn name(&self) -> &'static str {
        self.engine.name()
    }

    fn rank(&self) -> usize {
        self.engine.rank()
    }

    fn ranks(&self) -> usize {
        self.engine.ranks()
    }

    fn exchange(
        &self,
        purpose: Purpose,
        outbound: &[Outbound],
        inbound: &mut [Inbound],
    ) -> Result<(), CollectiveError> {
        (self.before)(purpose, outbound)?;
        self.engine.exchange(purpose, outbound, inbound)
    }
}
