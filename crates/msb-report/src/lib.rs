//! Launch failures, limits and denials, explained on a line of the policy
