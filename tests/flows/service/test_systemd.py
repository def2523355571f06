"""The systemd unit: its settings come from the environment, quoted, and never the token."""

import pytest

from flows.service.systemd import render_unit
from tests.support.command_line import Run, one_clear_error


def test_settings_are_quoted_and_the_token_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SP404_LIBRARY", 'C:\\100% "mine"')
    monkeypatch.setenv("SP404_API_TOKEN", "a-token-of-more-than-sixteen-letters")
    unit = render_unit("/home/me/pre fect", 4200, "/home/me/50%.duckdb")
    assert 'Environment="SP404_LIBRARY=C:\\\\100%% \\"mine\\""\n' in unit
    assert "a-token-of" not in unit
    assert "up --home '/home/me/pre fect' --port 4200 --db /home/me/50%%.duckdb\n" in unit


def test_the_ports_that_were_given_are_kept(sp404: Run) -> None:
    (command,) = [line for line in sp404("up", "--install-service").out.splitlines() if line.startswith("ExecStart=")]
    assert "--api-port" not in command  # the settings count, as they are when it starts
    said = sp404("up", "--install-service", "--port", "4351", "--api-port", "4405")
    assert " --port 4351 " in said.out
    assert " --api-port 4405\n" in said.out


def test_no_service_is_printed_that_could_not_start(sp404: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "No night will run" in sp404("up", "--install-service").err
    monkeypatch.setenv("SP404_NIGHTLY_CRON", "at night")
    one_clear_error(sp404("up", "--install-service"), 2, "nightly_cron = 'at night'", "wrong number of fields")
