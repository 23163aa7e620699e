"""What an ops box's worker is told."""

from infra.ops_box.environment import lines

SETTINGS = {
    "console": {
        "aws_environment_variables": {
            "HUB_STAGE": "prod",
            "HUB_QUEUE_PREFIX": "prod-",
            "HUB_SECRETS": "channels-hub/prod/settings",
            "HUB_STORAGE_BUCKET": "files",
        }
    }
}


def test_a_worker_has_the_consoles_settings_and_its_own_queue() -> None:
    assert lines("jobs", "eu-central-1", SETTINGS) == [
        'AWS_DEFAULT_REGION="eu-central-1"',
        'HUB_HOME="/var/lib/channels-hub"',
        'HUB_QUEUE_PREFIX="prod-"',
        'HUB_SECRETS="channels-hub/prod/settings"',
        'HUB_STAGE="prod"',
        'HUB_STORAGE_BUCKET="files"',
        'WORKER_OPTIONS="--queues prod-console-jobs --beat"',
    ]


def test_only_the_box_that_deploys_is_told_of_the_repository() -> None:
    told = lines("deploys", "eu-central-1", SETTINGS)

    assert 'HUB_SECRETS="channels-hub/prod/settings,channels-hub/prod/deploys"' in told
    assert 'WORKER_OPTIONS="--queues prod-deploys"' in told
