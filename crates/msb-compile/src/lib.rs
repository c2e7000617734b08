//! Files in, plan and diagnostics out
