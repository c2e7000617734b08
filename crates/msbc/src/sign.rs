//! keygen and sign: who made a plan, for launchers that run nothing else.
//!
//! Ed25519 (RFC 8032) over the plan's bytes. How a signature and keys stand in files is msb-plan's (`signed`).

use crate::cli::{Keygen, Sign};
use crate::output::{Output, reason};
use crate::show::words;
use crate::{Exit, write};
use ed25519_compact::{KeyPair, Seed};
use msb_plan::signed::{KEY_BYTES, PUBLIC_MAGIC, SECRET_MAGIC, secret_key, split, trailer};
use std::fs::{self, File};
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

/// Bits of a mode that let others read or write.
const OTHERS: u32 = 0o077;

/// `msbc keygen`.
pub(crate) fn keygen(arguments: &Keygen, output: &mut Output) -> Exit {
    let with = |ending: &str| {
        let mut name = arguments.name.clone().into_os_string();
        name.push(ending);
        PathBuf::from(name)
    };
    let (secret, public) = (with(".key"), with(".pub"));
    // A key that is lost is lost: what it signed can't be signed again.
    if let Some(there) = [&secret, &public].into_iter().find(|path| path.symlink_metadata().is_ok()) {
        output.message(&format!("`{}` is there already: take another name", there.display()));
        return Exit::Usage;
    }
    let mut seed = [0; KEY_BYTES];
    // random(4): never blocks once the machine has started, and never gives less than it is asked for.
    if let Err(error) = File::open("/dev/urandom").and_then(|mut random| random.read_exact(&mut seed)) {
        output.message(&format!("cannot read `/dev/urandom`: {}", reason(&error)));
        return Exit::Internal;
    }
    let key = KeyPair::from_seed(Seed::new(seed));
    let written = write::secret(&secret, &[SECRET_MAGIC.as_slice(), &seed].concat())
        .map_err(|reason| (&secret, reason))
        .and_then(|()| {
            let bytes = [PUBLIC_MAGIC.as_slice(), &key.pk[..]].concat();
            write::at_once(&public, &bytes).map_err(|reason| (&public, reason))
        });
    match written {
        Ok(()) => {
            output.answer(&format!(
                "wrote {}, which is secret, and {}\n",
                secret.display(),
                public.display()
            ));
            Exit::Success
        }
        Err((path, reason)) => {
            output.message(&format!("cannot write `{}`: {reason}", path.display()));
            Exit::Usage
        }
    }
}

/// `msbc sign`.
pub(crate) fn sign(arguments: &Sign, output: &mut Output) -> Exit {
    match signed(arguments) {
        Ok(bytes) => match write::in_place(&arguments.plan, &bytes) {
            Ok(()) => Exit::Success,
            Err(reason) => {
                output.message(&format!("cannot write `{}`: {reason}", arguments.plan.display()));
                Exit::Usage
            }
        },
        Err(reason) => {
            output.message(&reason);
            Exit::Wrong
        }
    }
}

fn signed(arguments: &Sign) -> Result<Vec<u8>, String> {
    let seed = secret(&arguments.key)?;
    let bytes = read(&arguments.plan)?;
    let (plan, _) = split(&bytes);
    // Nothing is signed that a launcher would not take.
    if let Err(error) = msb_plan::decode(plan) {
        return Err(format!("`{}` is not a plan: {}", arguments.plan.display(), words(error)));
    }
    let key = KeyPair::from_seed(Seed::new(seed));
    let signature = key.sk.sign(plan, None);
    Ok([plan, &trailer(&signature, &key.pk)].concat())
}

fn secret(path: &Path) -> Result<[u8; KEY_BYTES], String> {
    let shown = path.display();
    let bytes = read(path)?;
    let seed = secret_key(&bytes).ok_or_else(|| format!("`{shown}` is not a secret key of `msbc keygen`"))?;
    let mode = fs::metadata(path).map_err(|error| format!("cannot read `{shown}`: {}", reason(&error)))?;
    if mode.permissions().mode() & OTHERS != 0 {
        return Err(format!(
            "others can read or write `{shown}`: `chmod 600 {shown}`, and think who may have it"
        ));
    }
    Ok(*seed)
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    fs::read(path).map_err(|error| format!("cannot read `{}`: {}", path.display(), reason(&error)))
}
