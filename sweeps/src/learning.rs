//! Whether the arm of a comparison that must train can do so in its steps, told from its first few.
//!
//! A comparison whose control is stuck for want of steps ends inconclusive whatever the treatment
//! does, and that is better known before it runs.

use crate::card::Arm;
use crate::criterion::{Arms, Compared, Criterion, Direction};
use crate::stats::{Line, least_squares};
use crate::{Card, Event, Outcome, OutcomeRules};
use experiments_config::{Config, Progress, Samples};
use logs::Record;
use serde::Serialize;
use statrs::distribution::{ContinuousCDF, StudentsT};
use std::fmt;

/// Steps whose losses tell the speed; fewer are too noisy.
pub const STEPS: u64 = 20;

/// Confidence of the fastest speed that the losses allow.
const LEVEL: f64 = 0.95;

/// An arm that must train and cannot.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TooSlow {
    /// Name of the criterion.
    pub criterion: String,
    /// Label of the arm.
    pub arm: String,
    /// Steps of its runs.
    pub steps: u64,
    /// Loss that the arm would have after them at the fastest speed that its first steps allow,
    /// nats per token.
    pub reach: f64,
    /// Above this a run is stuck, nats per token.
    pub stuck_line: f64,
}

impl fmt::Display for TooSlow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "`{}` would end inconclusive: at the speed of its first steps `{}` is still at {:.2} nats \
             after {} steps, and stuck above {:.2}; give it more steps or a higher learning rate",
            self.criterion, self.arm, self.reach, self.steps, self.stuck_line
        )
    }
}

impl TooSlow {
    /// Judges an arm by the records of its first steps, on a text whose unigram model loses
    /// `unigram_entropy` nats per token. `None` where it may well train, or too little was recorded
    /// to say.
    #[must_use]
    pub fn of(
        criterion: &Criterion,
        arm: &Arm,
        config: &Config,
        rules: &OutcomeRules,
        records: &[Record],
        unigram_entropy: f64,
    ) -> Option<Self> {
        let reach = reach(config, records)?;
        let stuck_line = unigram_entropy - rules.stuck_margin;
        (reach > stuck_line).then(|| Self {
            criterion: criterion.name.clone(),
            arm: arm.label.clone(),
            steps: config.steps,
            reach,
            stuck_line,
        })
    }
}

/// The arms that must train for a comparison of counts to show anything: the control of a claim that
/// the treatment fails more, and the treatment of a claim that it fails less.
#[must_use]
pub fn must_train(card: &Card) -> Vec<(&Criterion, Arm)> {
    let arms = |criterion: &'_ Criterion| {
        let compared = (criterion.arms(), criterion.test().compares());
        let (Arms::Pair(arms, _), Compared::Shares(event, direction)) = compared else {
            return Vec::new();
        };
        let at = match direction {
            Direction::TreatmentLess => &arms.treatment,
            Direction::TreatmentMore
            | Direction::TreatmentHigher
            | Direction::TreatmentLower
            | Direction::Increasing
            | Direction::Decreasing => &arms.control,
        };
        // Several where they are pooled.
        let mut arms = card.arms_at(at);
        arms.retain(|_| event.contains(&Event::Outcome(Outcome::Stuck)));
        arms
    };
    if card.is_smoke() {
        return Vec::new();
    }
    let criteria = card.criteria.iter();
    criteria
        .flat_map(|criterion| {
            let arms = arms(criterion).into_iter();
            arms.map(move |arm| (criterion, arm))
        })
        .collect()
}

/// Loss after all steps of `config`, nats per token, if it goes on falling as fast as the records of
/// its first steps allow at most.
///
/// Loss is taken to fall in proportion to the learning rates summed so far, as the steps of Adam have
/// the size of the learning rate: so warm-up is no slowness. Learning slows down later, so this is a
/// bound on the good side: the least-squares slope's one-sided 95 % bound.
fn reach(config: &Config, records: &[Record]) -> Option<f64> {
    let mut moved = 0.0;
    let mut points = Vec::new();
    for record in records {
        // The loss of a step is measured before its update.
        points.push((moved, record.scalar("loss")?));
        moved += record.scalar("lr")?;
    }
    let (start, fastest) = steepest(&points)?;
    Some(start + fastest * rates(config))
}

/// Sum of the learning rates of all updates.
fn rates(config: &Config) -> f64 {
    let mut progress = Progress::default();
    let mut sum = 0.0;
    for step in 0..config.steps {
        progress.step = step;
        let now = config.at(progress);
        sum += now.learning_rate(Samples(progress.samples));
        progress.samples += now.samples_per_step();
    }
    sum
}

/// Value at 0 and the lower end of the one-sided interval of the slope of the least-squares line;
/// `None` for fewer than three points, or where x does not differ.
fn steepest(points: &[(f64, f64)]) -> Option<(f64, f64)> {
    let freedom = points.len() as f64 - 2.0;
    if freedom < 1.0 || !points.iter().all(|(x, y)| x.is_finite() && y.is_finite()) {
        return None;
    }
    let Line {
        slope,
        start,
        spread,
    } = least_squares(points)?;
    let rest = points.iter().map(|(x, y)| (y - start - slope * x).powi(2));
    let error = (rest.sum::<f64>() / freedom / spread).sqrt();
    let t = StudentsT::new(0.0, 1.0, freedom).ok()?.inverse_cdf(LEVEL);
    Some((start, slope - t * error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::card_text;
    use std::path::Path;

    const CARD: &str = card_text!(
        "slow",
        "symptom",
        6,
        r#"
[fixed]
steps = 200
"optimizer.lr" = 1e-3
"optimizer.warmup_samples" = 0
[axes]
"model.norm" = ["post", "deepnorm_glm"]
[criterion]
treatment = { "model.norm" = "post" }
control = { "model.norm" = "deepnorm_glm" }
direction = "treatment_more"
"#
    );

    fn card(text: &str) -> Card {
        Card::parse(text, "card", Path::new(".")).unwrap_or_else(|error| panic!("{error}"))
    }

    /// Twenty losses that begin at 5.6 nats and fall by `speed` nats for each unit of learning rate,
    /// with a wobble of a few hundredths.
    fn records(config: &Config, speed: f64) -> Vec<Record> {
        let mut moved = 0.0;
        let step = |number: u64| {
            let lr = config.learning_rate(Samples((number - 1) * config.samples_per_step()));
            let mut record = Record::new(number);
            let wobble = if number.is_multiple_of(2) {
                0.02
            } else {
                -0.02
            };
            record.set_named("loss", 5.6 - speed * moved + wobble);
            record.set_named("lr", lr);
            moved += lr;
            record
        };
        (1..=STEPS).map(step).collect()
    }

    fn judged(text: &str, speed: f64) -> Option<TooSlow> {
        let card = card(text);
        let arms = must_train(&card);
        let [(criterion, arm)] = arms.as_slice() else {
            panic!("one arm must train");
        };
        let none = crate::Settings::new();
        let config = card.config(&none, &arm.settings, 1).unwrap();
        let records = records(&config, speed);
        TooSlow::of(criterion, arm, &config, &card.outcome, &records, 3.54)
    }

    #[test]
    fn an_arm_that_cannot_get_below_the_line_is_named() {
        // 200 steps of 1e-3 at 5 nats a unit: one nat of the two that are needed.
        let slow = judged(CARD, 5.0).unwrap();
        assert_eq!((slow.arm.as_str(), slow.steps), ("deepnorm_glm", 200));
        assert!((4.0..4.6).contains(&slow.reach), "{}", slow.reach);
        assert!((slow.stuck_line - 3.49).abs() < 1e-12);
        let text = slow.to_string();
        assert!(text.contains("`claim` would end inconclusive"), "{text}");
        assert_eq!(judged(CARD, 20.0), None);
    }

    /// The first steps of a warm-up are small, and so is what they show.
    #[test]
    fn warm_up_is_no_slowness() {
        let warm = CARD.replace("warmup_samples\" = 0", "warmup_samples\" = 400");
        assert_eq!(judged(&warm, 40.0), None);
        assert!(judged(&warm, 2.0).is_some());
    }

    #[test]
    fn the_arm_that_must_train_depends_on_the_claim() {
        let arm = |text: &str| must_train(&card(text)).pop().map(|(_, arm)| arm.label);
        assert_eq!(arm(CARD).as_deref(), Some("deepnorm_glm"));
        let less = CARD.replace("treatment_more", "treatment_less");
        assert_eq!(arm(&less).as_deref(), Some("post"));
        assert_eq!(arm(&format!("{CARD}event = [\"nonfinite\"]\n")), None);
        let paired = format!("{CARD}test = \"mcnemar\"\n");
        assert_eq!(arm(&paired).as_deref(), Some("deepnorm_glm"));
    }

    #[test]
    fn too_little_to_tell_gives_no_warning() {
        let card = card(CARD);
        let arms = must_train(&card);
        let config = card.config(&crate::Settings::new(), &arms[0].1.settings, 1);
        let config = config.unwrap();
        let mut records = records(&config, 1.0);
        assert_eq!(reach(&config, &records[..2]), None);
        records[3].set_named("loss", f64::NAN);
        assert_eq!(reach(&config, &records), None);
    }
}
