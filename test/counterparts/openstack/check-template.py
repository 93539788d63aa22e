"""Validates a Heat template with Heat's own code, without a cloud.

    check-template.py FILE [parameters as JSON]

Everything that needs no other service is real: the parser, conditions, functions, dependencies, parameter constraints, resource types and the
schemas of their properties. What would ask Nova, Neutron or Glance (custom constraints, whether the service is there) is answered with yes.
Prints the parameters, conditions, resources and outputs as JSON; ends with 1 and the reason in its last line when Heat refuses the template.
"""
import json
import sys
from unittest import mock

import eventlet

eventlet.monkey_patch()

from oslo_config import cfg  # noqa: E402

from heat.common import context  # noqa: E402
from heat.common import template_format  # noqa: E402
from heat.engine import constraints  # noqa: E402
from heat.engine import environment  # noqa: E402
from heat.engine import resource  # noqa: E402
from heat.engine import resources  # noqa: E402
from heat.engine import stack as stacks  # noqa: E402
from heat.engine import template as templates  # noqa: E402
from heat.engine import translation  # noqa: E402
from heat.engine.resources.openstack.heat import resource_group  # noqa: E402


def check_properties(stack, complete):
    """Names and values of all properties, also of what a group repeats."""
    for each in stack.resources.values():
        each.properties.validate(with_value=complete)
        if complete and isinstance(each, resource_group.ResourceGroup):
            nested = each._parse_nested_stack("check", each.child_template(), each.child_params())
            nested.validate(validate_res_tmpl_only=True)
            check_properties(nested, complete)


def check(text, parameters):
    cfg.CONF([], project="heat", default_config_files=[])
    resources.initialise()
    read = templates.Template(template_format.parse(text), env=environment.Environment({"parameters": parameters}))
    read.validate()
    request = context.RequestContext(username="check", project_id="check", is_admin=False)
    stack = stacks.Stack(request, "check", read, strict_validate=bool(parameters))
    stack.validate(validate_res_tmpl_only=True)
    check_properties(stack, bool(parameters))
    # The order in which Heat would make them: fails for a circle.
    order = [each.name for each in stack.dependencies]
    return {
        "parameters": sorted(read.param_schemata()),
        "resources": {name: {"type": each.type(), "needs": sorted(n.name for n in stack.dependencies.requires(each))}
                      for name, each in stack.resources.items()},
        "order": order,
        "outputs": sorted(stack.outputs),
    }


def main():
    with open(sys.argv[1]) as file:
        text = file.read()
    parameters = json.loads(sys.argv[2]) if len(sys.argv) > 2 else {}
    there = mock.patch.object(resource.Resource, "is_service_available", classmethod(lambda *_: (True, None)))
    valid = mock.patch.object(constraints.CustomConstraint, "_is_valid", lambda *_: True)
    as_is = mock.patch.object(translation.Translation, "translate", lambda self, key, value=None, *_, **__: value)
    # No member of a group was ever taken out; to ask the engine, there would have to be one.
    all_there = mock.patch.object(resource_group.ResourceGroup, "_name_skiplist", lambda _: set())
    with there, valid, as_is, all_there:
        print(json.dumps(check(text, parameters)))


try:
    main()
except Exception as problem:  # Heat has a class of its own for every refusal.
    print(f"{type(problem).__name__}: {problem}", file=sys.stderr)
    sys.exit(1)
