//! `workbench bench`: how fast this machine trains, and how near that is to what it could.

mod kernels;
mod scaling;
mod text;

use crate::cli::{Bench as Arguments, FormatName};
use crate::console::{self, say};
use crate::failure::{Failure, exit};
use crate::progress::Steps;
use experiments::Device;
use experiments::bench::{
    Agreement, Costs, Effort, Peak, Timed, agreements, begin_counting_launches, device_name,
    launches_of_a_step, time_steps,
};
use experiments_config::{Config, DataConfig, DeviceKey, Format, Override};
use experiments_text::{Cache, tasks};
use scaling::Scaling;
use serde::Serialize;
use std::process::{Command, ExitCode, Stdio};

/// The shipped proxies, from small to large.
const PROXIES: [&str; 5] = ["t0", "t-deep", "t1", "r256", "t2"];

/// The proxy whose first step is compared with the CPU's.
const COMPARED: &str = "t0";

/// What `--result` writes.
#[derive(Serialize)]
struct Measured {
    program_version: &'static str,
    git_commit: Option<&'static str>,
    features: Vec<String>,
    device: String,
    backend: &'static str,
    threads: usize,
    agreements: Vec<Agreement>,
    /// What a device takes for a launch, a wait and a byte.
    costs: Option<Costs>,
    rows: Vec<Row>,
    scaling: Vec<Scaling>,
    /// The best of all rounds.
    peak: Peak,
}

impl Measured {
    fn new(device: Device, threads: usize) -> Self {
        let mut measured = Self {
            program_version: env!("CARGO_PKG_VERSION"),
            git_commit: option_env!("WORKBENCH_COMMIT"),
            features: experiments::features(),
            device: device_name(device),
            backend: device.backend_name(),
            threads: std::thread::available_parallelism().map_or(1, usize::from),
            agreements: Vec::new(),
            costs: None,
            rows: Vec::new(),
            scaling: Vec::new(),
            peak: Peak::default(),
        };
        if threads > 0 {
            measured.threads = threads;
        }
        measured
    }

    /// Writes the files that were asked for.
    fn write(&self, arguments: &Arguments) -> Result<(), Failure> {
        if let Some(file) = &arguments.plot {
            let svg = scaling::draw(&self.scaling, &self.device)?;
            crate::figure::write(file, svg)?;
        }
        if let Some(file) = &arguments.result {
            logs::output::write_json(file, self)?;
        }
        Ok(())
    }

    fn code(&self) -> ExitCode {
        let failed = self.agreements.iter().filter(|check| !check.passed).count();
        if failed > 0 {
            say(&format!(
                "error: {failed} results differ from the CPU's by more than is allowed"
            ));
            return ExitCode::from(exit::FAILED);
        }
        ExitCode::SUCCESS
    }
}

/// One line of the table.
#[derive(Serialize)]
struct Row {
    what: String,
    #[serde(flatten)]
    timed: Timed,
    /// Of kernels in a step; absent on the CPU, or where they could not be counted.
    launches: Option<u64>,
    tokens_per_second: f64,
    gflops: f64,
    utilisation: f64,
}

impl Row {
    fn new(what: String, timed: Timed) -> Self {
        Self {
            tokens_per_second: timed.tokens_per_second(),
            gflops: timed.flops() / 1e9,
            utilisation: timed.utilisation(),
            what,
            timed,
            launches: None,
        }
    }
}

pub(crate) fn run(arguments: &Arguments, cache: &Cache) -> Result<ExitCode, Failure> {
    if !(arguments.seconds > 0.0 && arguments.seconds.is_finite()) {
        return Err(Failure::usage("`--seconds` must be a number above 0"));
    }
    for file in arguments.plot.iter().chain(&arguments.result) {
        logs::output::check(file)?;
    }
    if arguments.kernels {
        return kernels::run(arguments);
    }
    if arguments.launches {
        return count_launches(arguments, cache);
    }
    let device = Device::select(arguments.device)?;
    if arguments.compare && device == Device::CPU {
        return Err(Failure::usage(
            "`--compare` compares a device with the CPU: name it, as in `--device cuda`",
        ));
    }
    super::threads(arguments.threads);
    let mut bench = Bench::new(arguments, cache);
    // Everything that can be refused is refused before the first measurement.
    let jobs = bench.jobs()?;
    let varied = if arguments.scaling {
        scaling::jobs(&mut bench)?
    } else {
        Vec::new()
    };
    let mut measured = Measured::new(device, arguments.threads);
    console::print(&text::head(&measured))?;
    if device != Device::CPU {
        let config = bench.config(COMPARED, Format::Fp32, &[])?;
        say("comparing with the CPU");
        measured.agreements = agreements(&config, &bench.formats, cache)?;
        console::print(&text::agreements(&measured.agreements))?;
    }
    if arguments.compare {
        measured.write(arguments)?;
        return Ok(measured.code());
    }
    let points = bench.measure(&jobs, &varied, &mut measured)?;
    if !measured.rows.is_empty() {
        console::print(&text::rows(&measured.rows))?;
    }
    if device != Device::CPU && !measured.rows.is_empty() {
        let costs = Costs::of(device)?;
        ask_for_launches(&mut measured.rows);
        console::print(&text::device(&measured.rows, &costs))?;
        measured.costs = Some(costs);
    }
    if arguments.scaling {
        measured.scaling = scaling::evaluate(&points, &measured.peak);
        console::print(&text::scaling(&measured.scaling))?;
    }
    console::print(&text::peak(&measured.peak))?;
    measured.write(arguments)?;
    Ok(measured.code())
}

/// Prints the launches of a step of every job, a line for each.
fn count_launches(arguments: &Arguments, cache: &Cache) -> Result<ExitCode, Failure> {
    begin_counting_launches();
    for job in Bench::new(arguments, cache).jobs()? {
        let launches = launches_of_a_step(&job.config, cache)?;
        let counted = launches.map_or_else(|| "none".to_owned(), |launches| launches.to_string());
        console::print(&format!("{counted}\n"))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Has a process of its own count, since counting takes time; rows stay without where it fails.
fn ask_for_launches(rows: &mut [Row]) {
    say("counting launches");
    let program = std::env::current_exe().unwrap_or_else(|_| "workbench".into());
    let mut command = Command::new(program);
    command.args(std::env::args_os().skip(1)).arg("--launches");
    let Ok(done) = command.stderr(Stdio::inherit()).output() else {
        return;
    };
    let text = String::from_utf8_lossy(&done.stdout).into_owned();
    for (row, line) in rows.iter_mut().zip(text.lines()) {
        row.launches = line.parse().ok();
    }
}

/// Something to time.
struct Job {
    what: String,
    config: Config,
    effort: Effort,
}

/// The command line, with the text that is really there.
struct Bench<'a> {
    arguments: &'a Arguments,
    cache: &'a Cache,
    formats: Vec<Format>,
    /// Mixtures as configured and as found: looking for a text, and saying what is missing, is done
    /// once.
    found: Vec<(DataConfig, DataConfig)>,
}

impl<'a> Bench<'a> {
    fn new(arguments: &'a Arguments, cache: &'a Cache) -> Self {
        let all = [FormatName::Fp32, FormatName::Fp16, FormatName::Bf16];
        let formats = match (arguments.precision.as_slice(), arguments.device) {
            ([], DeviceKey::Cpu) => &all[..1],
            ([], DeviceKey::Cuda(_) | DeviceKey::Vulkan(_)) => &all[..],
            (given, _) => given,
        };
        let formats = formats.iter().map(|format| match format {
            FormatName::Fp32 => Format::Fp32,
            FormatName::Fp16 => Format::Fp16,
            FormatName::Bf16 => Format::Bf16,
        });
        Self {
            arguments,
            cache,
            formats: formats.collect(),
            found: Vec::new(),
        }
    }

    /// Every configuration that was asked for in every format.
    fn jobs(&mut self) -> Result<Vec<Job>, Failure> {
        let arguments = self.arguments;
        let names: Vec<&str> = match arguments.what.as_slice() {
            [] if arguments.scaling => Vec::new(),
            [] => PROXIES.to_vec(),
            given => given.iter().map(String::as_str).collect(),
        };
        let mut jobs = Vec::new();
        for what in names {
            for format in self.formats.clone() {
                jobs.push(Job {
                    what: what.to_owned(),
                    config: self.config(what, format, &[])?,
                    effort: Effort {
                        seconds: self.arguments.seconds,
                        ..Effort::default()
                    },
                });
            }
        }
        Ok(jobs)
    }

    /// A preset or file in a format, on the device, with its text found and `own` changes before the
    /// user's.
    fn config(&mut self, what: &str, format: Format, own: &[String]) -> Result<Config, Failure> {
        let mut set = Vec::new();
        for change in own {
            set.push(change.parse::<Override>()?);
        }
        set.extend(self.arguments.set.iter().cloned());
        let mut config = super::config::load_trainable(what, &set)?;
        config.precision.format = format;
        config.runtime.device = self.arguments.device;
        let known = self.found.iter().find(|(asked, _)| *asked == config.data);
        if let Some((_, found)) = known {
            config.data = found.clone();
        } else {
            let found = super::resolve(&config.data, self.cache, true)?.data;
            self.found.push((config.data, found.clone()));
            config.data = found;
        }
        config.tasks = tasks::resolve(&config.tasks)?;
        Ok(config)
    }

    /// Adds the rows and the peak to what is measured; returns the times of the varied sizes.
    fn measure(
        &self,
        jobs: &[Job],
        varied: &[Job],
        measured: &mut Measured,
    ) -> Result<Vec<Timed>, Failure> {
        // Twice, the second time from the end: what slows the machine for a while meets other sizes.
        let twice = || {
            varied
                .iter()
                .enumerate()
                .chain(varied.iter().enumerate().rev())
        };
        let varied_jobs = twice().map(|(_, job)| job);
        let mut clock = Clock::new(jobs.iter().chain(varied_jobs), self.arguments);
        for job in jobs {
            let timed = self.time(job, &mut clock)?;
            measured.peak.join(&timed.peak);
            measured.rows.push(Row::new(job.what.clone(), timed));
        }
        let mut points: Vec<Timed> = Vec::new();
        for (index, job) in twice() {
            let timed = self.time(job, &mut clock)?;
            measured.peak.join(&timed.peak);
            match points.get_mut(index) {
                Some(first) => first.join(&timed),
                None => points.push(timed),
            }
        }
        clock.end();
        Ok(points)
    }

    fn time(&self, job: &Job, clock: &mut Clock) -> Result<Timed, Failure> {
        clock.begin(&job.what);
        let timed = time_steps(&job.config, self.cache, &job.effort, &mut |share| {
            clock.at(share);
        })?;
        clock.at(1.0);
        clock.next();
        Ok(timed)
    }
}

/// Progress over all jobs, each with the time it is expected to take.
struct Clock {
    steps: Steps,
    expected: Vec<f64>,
    job: usize,
    what: String,
}

impl Clock {
    /// Parts of a second that progress counts.
    const PARTS: f64 = 10.0;

    fn new<'a>(jobs: impl Iterator<Item = &'a Job>, arguments: &Arguments) -> Self {
        // Half of the two-core machine's peak, and a guess for a GPU: only for the time left.
        let rate = match arguments.device {
            DeviceKey::Cpu => 3e10,
            DeviceKey::Cuda(_) | DeviceKey::Vulkan(_) => 5e12,
        };
        let expected: Vec<f64> = jobs
            .map(|job| {
                let work = experiments_plan::flops::Work::of(&job.config);
                let step = work.step_at_targets(job.config.samples_per_step(), 0.5) / rate;
                let least = job.effort.least_steps as f64 * step;
                job.effort.warm_up as f64 * step + job.effort.seconds.max(least) + 1.0
            })
            .collect();
        let total = expected.iter().sum::<f64>() * Self::PARTS;
        Self {
            steps: Steps::new(total.ceil() as u64),
            expected,
            job: 0,
            what: String::new(),
        }
    }

    fn begin(&mut self, what: &str) {
        what.clone_into(&mut self.what);
        self.at(0.0);
    }

    fn at(&mut self, share: f64) {
        let before: f64 = self.expected[..self.job].iter().sum();
        let now = share * self.expected.get(self.job).unwrap_or(&0.0);
        let text = format!("parts · {}", self.what);
        self.steps.at(((before + now) * Self::PARTS) as u64, &text);
    }

    fn next(&mut self) {
        self.job += 1;
    }

    fn end(self) {
        self.steps.end();
    }
}
