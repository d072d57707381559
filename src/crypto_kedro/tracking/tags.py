"""Names of the tags of a registered version."""

GATE_TAG = "gate."
REASON_TAG = "reason."
VERDICT_TAG = "verdict"
EVALUATION_RUN_TAG = "evaluation_run_id"
SETTINGS_TAG = "judged_settings"
