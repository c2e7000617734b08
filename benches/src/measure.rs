//! Times cases in random order, and the table of what came out.

use crate::Case;
use std::fmt::Write as _;
use std::io;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

/// The times of one case.
#[derive(Debug)]
pub struct Measured {
    /// As in [`Case::name`].
    pub name: &'static str,
    /// Shortest first.
    sorted: Vec<Duration>,
}

impl Measured {
    /// The time that `percent` of the runs stay below.
    #[must_use]
    pub fn percentile(&self, percent: usize) -> Duration {
        let at = (self.sorted.len() * percent / 100).min(self.sorted.len() - 1);
        self.sorted[at]
    }

    /// A table of medians and 99th percentiles as ratios to the median of the case named `unit`, or to the
    /// first when there is none of this name.
    #[must_use]
    pub fn table(all: &[Measured], unit: &str) -> String {
        let unit = all.iter().find(|m| m.name == unit).unwrap_or(&all[0]);
        let one = unit.percentile(50).as_secs_f64();
        let mut table = format!("{:<34} {:>9} {:>9} {:>10}\n", "case", "median", "p99", "median µs");
        for m in all {
            let (median, p99) = (m.percentile(50).as_secs_f64(), m.percentile(99).as_secs_f64());
            let _ = writeln!(
                table,
                "{:<34} {:>9.2} {:>9.2} {:>10.0}",
                m.name,
                median / one,
                p99 / one,
                median * 1e6
            );
        }
        let _ = writeln!(table, "(1.00 is the median of `{}`; {} rounds)", unit.name, unit.sorted.len());
        table
    }
}

/// Starts `case` and waits for its end; how long that took.
///
/// # Errors
/// When it can't be started, or ends with a status other than 0: a failure is not a time.
pub fn run_once(case: &Case) -> io::Result<Duration> {
    let mut command = Command::new(&case.program);
    command.args(&case.args).env_clear().current_dir("/");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let start = Instant::now();
    let status = command.status()?;
    let took = start.elapsed();
    if status.success() {
        return Ok(took);
    }
    let said = command.stderr(Stdio::piped()).output()?;
    let said = String::from_utf8_lossy(&said.stderr).into_owned();
    Err(io::Error::other(format!("`{}` ended with {status}: {said}", case.name)))
}

/// Runs all `cases` `rounds` times, in a new random order each round, after five rounds that are not counted.
///
/// # Errors
/// As [`run_once`].
pub fn measure(cases: &[Case], rounds: usize) -> io::Result<Vec<Measured>> {
    const WARM_UP: usize = 5;
    let mut times = vec![Vec::with_capacity(rounds); cases.len()];
    let mut order: Vec<usize> = (0..cases.len()).collect();
    let mut random = Random::from_clock();
    for round in 0..rounds + WARM_UP {
        random.shuffle(&mut order);
        for &i in &order {
            let took = run_once(&cases[i])?;
            if round >= WARM_UP {
                times[i].push(took);
            }
        }
    }
    let measured = cases.iter().zip(times).map(|(case, mut sorted)| {
        sorted.sort_unstable();
        Measured { name: case.name, sorted }
    });
    Ok(measured.collect())
}

/// Runs `case` for `workers` at once, each `rounds` times; the median of all.
///
/// # Errors
/// As [`run_once`].
///
/// # Panics
/// When a worker does.
pub fn side_by_side(case: &Case, workers: usize, rounds: usize) -> io::Result<Duration> {
    let work = || (0..rounds).map(|_| run_once(case)).collect::<io::Result<Vec<_>>>();
    let times = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        workers.into_iter().map(|worker| worker.join().expect("a worker")).collect::<io::Result<Vec<_>>>()
    })?;
    let mut times = times.concat();
    times.sort_unstable();
    Ok(times.get(times.len() / 2).copied().unwrap_or_default())
}

/// Starts `count` of `waiting`, calls `then`, and ends them all.
///
/// # Errors
/// When one can't be started, or ended before.
pub fn beside<T>(waiting: &Case, count: usize, then: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    let mut alive = Vec::with_capacity(count);
    for _ in 0..count {
        let mut command = Command::new(&waiting.program);
        command.args(&waiting.args).env_clear().current_dir("/");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        alive.push(command.spawn()?);
    }
    settle()?;
    let mut ended = 0;
    for child in &mut alive {
        ended += usize::from(child.try_wait()?.is_some());
    }
    let result = if ended == 0 { then() } else { Err(io::Error::other(format!("{ended} of {count} ended"))) };
    for child in &mut alive {
        child.kill()?;
    }
    for child in &mut alive {
        child.wait()?;
    }
    result
}

/// Waits until nothing but this has run for half a second: until then sandboxes are still being made.
///
/// # Errors
/// When that takes more than a minute.
fn settle() -> io::Result<()> {
    let mut quiet = 0;
    for _ in 0..1200 {
        std::thread::sleep(Duration::from_millis(50));
        // proc(5), /proc/loadavg: the fourth field begins with how many can run now, this one among them.
        let load = std::fs::read_to_string("/proc/loadavg")?;
        let running = load.split_whitespace().nth(3).and_then(|it| it.split('/').next());
        quiet = if running == Some("1") { quiet + 1 } else { 0 };
        if quiet == 10 {
            return Ok(());
        }
    }
    Err(io::Error::other("others ran for a minute beside the sandboxes that sleep"))
}

/// Xorshift64: the order has to be unlike the last one, no more.
struct Random(u64);

impl Random {
    fn from_clock() -> Random {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Random(u64::from(now.subsec_nanos()) << 32 | 1)
    }

    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap_or(0) % bound
    }

    fn shuffle(&mut self, order: &mut [usize]) {
        for i in (1..order.len()).rev() {
            order.swap(i, self.below(i + 1));
        }
    }
}

#[cfg(test)]
mod tests;
