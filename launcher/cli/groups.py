"""A group of commands that names the nearest one to a mistyped word."""

from __future__ import annotations

import click


class Group(click.Group):
    """click's, with "did you mean"."""

    # What its commands are called in words.
    noun = "command"

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        known = self.list_commands(ctx)
        if args and not args[0].startswith("-") and args[0] not in known:
            from container.common.names import did_you_mean

            raise click.UsageError(f"No {self.noun} '{args[0]}'.{did_you_mean(args[0], known)}", ctx)
        return super().resolve_command(ctx, args)
