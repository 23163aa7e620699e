"""What CloudFormation is asked for."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from infra.deployment.stacks import Stacks
from infra.deployment.stage import load_stage

PROD = load_stage("prod")


class FakeAws:
    """CloudFormation on an account without stacks; what is made is there at once."""

    def __init__(self) -> None:
        self.made: dict[str, Any] = {}

    def client(self, service: str) -> Any:
        assert service == "cloudformation"
        return self

    def describe_stacks(self, **request: str) -> Any:
        name = request["StackName"]
        if name not in self.made:
            error = {"Code": "ValidationError", "Message": f"Stack with id {name} does not exist"}
            raise ClientError({"Error": error}, "DescribeStacks")
        return {"Stacks": [{"StackName": name, "StackStatus": "CREATE_COMPLETE"}]}

    def create_stack(self, **request: Any) -> None:
        self.made[request["StackName"]] = request


@pytest.mark.parametrize("template", PROD.stacks)
def test_a_template_gets_the_parameters_that_its_stage_has_for_it(template: str) -> None:
    aws = FakeAws()

    assert Stacks(PROD, aws).apply(template, "boxes/llm-0123.tar.gz")

    [request] = aws.made.values()
    told = {each["ParameterKey"]: each["ParameterValue"] for each in request["Parameters"]}
    said = {name: str(value) for name, value in PROD.stacks[template].items()}
    known = {"Stage": "prod", "Prefix": "prod-", "Archive": "boxes/llm-0123.tar.gz"}
    assert told.keys() & known.keys()
    assert said.items() <= told.items() <= (known | said).items()
