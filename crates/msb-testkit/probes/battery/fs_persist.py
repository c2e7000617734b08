"""fs.persist_*: files that git, an editor, a shell or an agent executes on the host later.

Each is attacked in every way that leaves chosen bytes at the path: opened for writing, created, made anew
after unlink, renamed onto, linked, replaced by a symlink, and reached by renaming what lies above it.
"""

import ctypes
import errno
import os
import shutil

from .core import absent, allowed, attempt, blocked, probe, sys, worst

PAYLOAD = b"# planted by a probe\n"
AT = -100 & 0xFFFF_FFFF_FFFF_FFFF  # AT_FDCWD
# A mount point can't be renamed or removed (EBUSY); a placeholder can be of the other kind than the file.
STANDS = {errno.EBUSY, errno.EISDIR, errno.ENOTDIR, errno.ENOTEMPTY, errno.EEXIST, errno.EXDEV}


def plant(c, relative):
    """Tries to put PAYLOAD at `relative` in the workspace, then puts back what was there."""
    return worst(attempt(f"{way.__name__.strip('_')} {relative}", lambda w=way: _undone(c, relative, w), refused=STANDS)
                 for way in (_create, _append, _unlink_create, _rename_onto, _symlink, _link))


def _undone(c, relative, way):
    path = c.path(relative)
    # What has to be made so that the path can be there; the top of it is removed afterwards.
    top = None
    parent = os.path.dirname(path)
    while not os.path.lexists(parent):
        top, parent = parent, os.path.dirname(parent)
    before = _contents(path)
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        way(c, path)
        held = _contents(path)
        if PAYLOAD in (held or b""):
            return allowed(f"{relative} by {way.__name__.strip('_')}")
        return blocked(0, "no bytes")
    finally:
        _restore(path, before, top)


def _contents(path):
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return None


def _restore(path, before, top):
    if _contents(path) == before:
        if top and os.path.lexists(top):
            shutil.rmtree(top, ignore_errors=True)
        return
    try:
        os.unlink(path)
        if before is not None:
            with open(path, "wb") as file:
                file.write(before)
    except OSError:
        pass
    if top:
        shutil.rmtree(top, ignore_errors=True)


def _put(path, flags):
    fd = os.open(path, flags | os.O_CLOEXEC, 0o755)
    try:
        os.write(fd, PAYLOAD)
    finally:
        os.close(fd)


def _create(_, path):
    _put(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)


def _append(_, path):
    _put(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)


def _unlink_create(_, path):
    if os.path.lexists(path):
        os.unlink(path)
    _put(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL)


def _elsewhere(c):
    path = c.path(f".msb-plant-{os.getpid()}")
    if not os.path.exists(path):
        _put(path, os.O_WRONLY | os.O_CREAT)
    return path


def _rename_onto(c, path):
    source = _elsewhere(c)
    try:
        os.rename(source, path)
    finally:
        if os.path.lexists(source):
            os.unlink(source)


def _symlink(c, path):
    source = _elsewhere(c)
    link = path + ".msb"
    try:
        os.symlink(source, link)
        os.rename(link, path)
        # The caller reads through the link while its target still stands.
        if PAYLOAD in (_contents(path) or b""):
            os.unlink(path)
            _put(path, os.O_WRONLY | os.O_CREAT)
    finally:
        for leftover in (link, source):
            if os.path.lexists(leftover):
                os.unlink(leftover)


def _link(c, path):
    source = _elsewhere(c)
    try:
        if os.path.lexists(path):
            os.rename(path, path + ".msb")
        os.link(source, path)
    finally:
        os.unlink(source)
        if os.path.lexists(path + ".msb"):
            os.unlink(path + ".msb")


def _row(row, *relatives):
    @probe(row)
    def persist(c, relatives=relatives):
        return worst(plant(c, relative) for relative in relatives)


_row("fs.persist_git_hook", ".git/hooks/pre-commit", ".git/hooks/post-checkout")
_row("fs.persist_git_config", ".git/config")
_row("fs.persist_shellrc", ".bashrc", ".zshrc", ".profile", ".bash_profile", ".envrc")
_row("fs.persist_vscode", ".vscode/tasks.json", ".vscode/settings.json")
_row("fs.persist_agent_settings", ".claude/settings.json", ".claude/commands/x.md", ".claude/agents/x.md")
_row("fs.persist_mcp_json", ".mcp.json")
_row("fs.persist_gitmodules", ".gitmodules")
_row("fs.persist_github", ".github/workflows/ci.yml")
_row("fs.persist_idea", ".idea/workspace.xml")
_row("fs.persist_cursor", ".cursor/mcp.json", ".cursor/rules/x.mdc")
_row("fs.persist_nested_repository", "vendor/inner/.git/hooks/pre-commit", "vendor/inner/.git/config")
# git takes configuration and hooks from the directory that this file names: gitrepository-layout(5).
_row("fs.persist_git_commondir", ".git/commondir")
_row("fs.persist_git_worktree_config", ".git/config.worktree", ".git/worktrees/x/config.worktree")
_row("fs.persist_git_attributes", ".git/info/attributes", ".gitattributes")
_row("fs.persist_git_modules", ".git/modules/x/hooks/post-checkout", ".git/modules/x/config")


@probe("fs.rename_denied_ancestor")
def rename_denied_ancestor(c):
    """`mv .git .git2`, then a new .git with a hook: the denied path is a name, not an inode."""

    def work():
        os.rename(c.path(".git"), c.path(".git2"))
        try:
            os.makedirs(c.path(".git/hooks"))
            _put(c.path(".git/hooks/pre-commit"), os.O_WRONLY | os.O_CREAT)
            return allowed(".git was moved away and made anew")
        finally:
            shutil.rmtree(c.path(".git"), ignore_errors=True)
            os.rename(c.path(".git2"), c.path(".git"))

    return attempt("rename .git", work, refused=STANDS)


@probe("fs.exchange_denied_ancestor")
def exchange_denied_ancestor(c):
    """renameat2 with RENAME_EXCHANGE (2) and RENAME_WHITEOUT are other calls for the same move."""
    other = c.path(f".msb-swap-{os.getpid()}")
    os.makedirs(os.path.join(other, "hooks"))
    try:
        def work():
            swap = (AT, c.path(".git").encode(), AT, other.encode(), 2)
            sys("renameat2", *swap)
            sys("renameat2", *swap)

        return attempt("exchange .git", work, refused=STANDS | {errno.EINVAL})
    finally:
        shutil.rmtree(other, ignore_errors=True)


@probe("fs.symlink_swap_denied")
def symlink_swap_denied(c):
    """The hooks directory is replaced by a symlink to one that the agent owns."""
    own = c.path(f".msb-hooks-{os.getpid()}")
    hooks = c.path(".git/hooks")
    os.mkdir(own)
    try:
        def work():
            os.rename(hooks, hooks + ".old")
            try:
                os.symlink(own, hooks)
                os.unlink(hooks)
            finally:
                os.rename(hooks + ".old", hooks)

        return attempt("replace .git/hooks", work, refused=STANDS)
    finally:
        os.rmdir(own)


@probe("fs.hardlink_denied")
def hardlink_denied(c):
    """A second name for the denied inode, which is then written by that name."""
    link = c.path(f".msb-second-{os.getpid()}")

    def work():
        os.link(c.path(".git/config"), link)
        try:
            os.close(os.open(link, os.O_WRONLY | os.O_CLOEXEC))
        finally:
            os.unlink(link)

    return attempt("link .git/config", work, refused=STANDS)


@probe("fs.fd_reopen_denied")
def fd_reopen_denied(c):
    """The denied file is opened for reading, then through its descriptor for writing."""
    try:
        fd = os.open(c.path(".git/config"), os.O_RDONLY | os.O_CLOEXEC)
    except OSError as failure:
        return blocked(failure.errno, ".git/config can't even be read")

    def work():
        os.close(os.open(f"/proc/self/fd/{fd}", os.O_WRONLY | os.O_CLOEXEC))

    return attempt("reopen .git/config", work)


@probe("fs.dirfd_denied")
def dirfd_denied(c):
    """The hooks directory by a descriptor and an openat2 that resolves beneath it."""
    try:
        directory = os.open(c.path(".git/hooks"), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as failure:
        return absent(f".git/hooks: {failure}", failure.errno)
    how = ctypes.create_string_buffer(
        b"".join(v.to_bytes(8, "little") for v in (os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o755, 8)), 24
    )  # RESOLVE_BENEATH

    def work():
        os.close(sys("openat2", directory, b"msb-hook", how, 24))
        os.unlink("msb-hook", dir_fd=directory)

    return attempt("openat2 beneath .git/hooks", work)


# What other hosts' programs run by themselves; fs.persist_* above has what most do.
_row("fs.persist_other_agents", ".codex/config.toml", ".gemini/settings.json", ".windsurf/mcp.json", ".kiro/hooks/x.hook",
     ".roo/mcp.json", ".opencode/plugin/x.js", "opencode.json", ".aider.conf.yml", "opencode.jsonc", ".crush.json",
     "crush.json", ".qwen/settings.json", ".continue/mcpServers/x.yaml", ".amazonq/mcp.json", ".openhands/setup.sh")
_row("fs.persist_other_editors", ".zed/tasks.json", ".devcontainer/devcontainer.json", ".idea/runConfigurations/x.xml",
     ".vscode/launch.json", ".vscode/extensions.json", ".vscode/mcp.json", ".devcontainer.json",
     ".helix/languages.toml", ".vimrc", ".exrc")
# lefthook.yml is there, so that somebody uses it.
_row("fs.persist_hook_managers", ".husky/pre-commit", ".githooks/pre-commit", "lefthook.yml", ".pre-commit-config.yaml",
     "lefthook-local.yml", ".lefthook-local.yml", "lefthook-local.toml")
_row("fs.persist_ci", ".gitlab-ci.yml", ".circleci/config.yml", ".forgejo/workflows/x.yml", ".gitea/workflows/x.yml",
     ".github/actions/x/action.yml")
_row("fs.persist_version_managers", ".mise.toml", "mise.toml", ".tool-versions", ".envrc")
_row("fs.persist_package_managers", ".npmrc", ".yarnrc", ".yarnrc.yml", ".cargo/config.toml", ".cargo/config")
_row("fs.persist_login_shells", ".bash_login", ".zshenv", ".zprofile", ".zlogin", ".gitconfig",
     ".bash_aliases", ".bash_logout")
_row("fs.persist_own_policy", ".msb/policy.msb")
# A folder with HEAD, objects and refs is a repository without a .git: gitrepository-layout(5).
_row("fs.persist_bare_repository", "HEAD")
# rustup executes what lies at the `path` that they name.
_row("fs.persist_toolchain", "rust-toolchain", "rust-toolchain.toml")
# What the harness put there: somebody uses it.
_row("fs.persist_where_present", ".hg/hgrc", ".travis.yml", ".buildkite/pipeline.yml", ".yarn/releases/yarn.cjs",
     ".direnv/bin/nix-direnv-reload", ".nvim.lua", ".Rprofile", ".junie/mcp/mcp.json", "Jenkinsfile",
     ".config/autostart/x.desktop", ".config/autostart/y.desktop")
# .semaphore, .cirrus.yml and .git/hooks/commit-msg are symbolic links to what lies in tools.
_row("fs.persist_through_link", "tools/semaphore/semaphore.yml", "tools/cirrus.yml", ".semaphore/semaphore.yml",
     ".cirrus.yml", "tools/commit-msg", ".git/hooks/commit-msg")
_row("fs.persist_git_other", ".git/hooks/post-commit", ".git/hooks/fsmonitor-watchman", ".git/objects/info/alternates",
     ".git/info/grafts", ".git/HEAD", ".git/index", ".git/refs/heads/x")
