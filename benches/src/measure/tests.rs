use super::{Measured, Random, measure, run_once};
use crate::Case;
use std::time::Duration;

fn case(name: &'static str, script: &str) -> Case {
    Case { name, program: "/bin/sh".into(), args: vec!["-c".into(), script.into()] }
}

#[test]
fn a_failure_is_not_a_time() {
    let refused = run_once(&case("fails", "echo said >&2; exit 3")).expect_err("status 3");
    assert!(refused.to_string().contains("said"), "{refused}");
    assert!(measure(&[case("fails", "exit 1")], 1).is_err());
}

#[test]
fn every_case_runs_in_every_round() {
    let measured = measure(&[case("a", "exit 0"), case("b", "exit 0")], 3).expect("both succeed");
    assert_eq!(measured.iter().map(|m| m.sorted.len()).collect::<Vec<_>>(), [3, 3]);
}

#[test]
fn ratios_are_to_the_median_of_the_unit() {
    let ms = |list: &[u64]| list.iter().map(|&n| Duration::from_millis(n)).collect();
    let all = [
        Measured { name: "floor", sorted: ms(&[1, 2, 3]) },
        Measured { name: "slow", sorted: ms(&[5, 6, 9]) },
    ];
    let table = Measured::table(&all, "floor");
    let slow: Vec<_> =
        table.lines().find(|l| l.starts_with("slow")).expect("a row").split_whitespace().collect();
    assert_eq!(slow, ["slow", "3.00", "4.50", "6000"]);
}

#[test]
fn a_shuffle_keeps_every_index() {
    let mut order: Vec<usize> = (0..9).collect();
    Random(7).shuffle(&mut order);
    assert_ne!(order, (0..9).collect::<Vec<_>>());
    order.sort_unstable();
    assert_eq!(order, (0..9).collect::<Vec<_>>());
}
