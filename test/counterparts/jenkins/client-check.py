"""Drives a Jenkins with python-jenkins, a client that is not ours, through the calls that the engine makes, and prints what it saw as JSON.

Reads one line of JSON from standard input: url, username, secret, job, values, bad (the name of a job that is not there).
"""

import json
import sys
import time

import jenkins
import requests


def until(what, look):
    for _ in range(200):
        found = look()
        if found:
            return found
        time.sleep(0.05)
    raise SystemExit("not in time: " + what)


def main():
    given = json.loads(sys.stdin.readline())
    server = jenkins.Jenkins(given["url"], username=given["username"], password=given["secret"], timeout=10)
    job = given["job"]
    seen = {"whoami": server.get_whoami()["id"], "version": server.get_version()}
    seen["name"] = server.get_job_name(job)
    info = server.get_job_info(job)
    definitions = [each for prop in info["property"] for each in prop.get("parameterDefinitions", [])]
    seen["parameters"] = {each["name"]: each["type"] for each in definitions}
    seen["buildable"] = info["buildable"]

    item = server.build_job(job, dict(given["values"], NOT_DECLARED="x"))
    queued = server.get_queue_item(item)
    seen["queued"] = [queued["_class"], queued["task"]["name"], "why" in queued]
    seen["queue"] = item in [each["id"] for each in server.get_queue_info()]
    left = until("the build begins", lambda: (server.get_queue_item(item).get("executable") or {}))
    number = left["number"]
    running = server.get_build_info(job, number)
    seen["running"] = [running["result"], running["building"], running["queueId"] == item]
    done = until("the build ends", lambda: (lambda b: b if b["result"] else None)(server.get_build_info(job, number)))
    seen["done"] = [done["result"], done["building"], [each["relativePath"] for each in done["artifacts"]]]
    seen["values"] = {
        value["name"]: value.get("value") for action in done["actions"] for value in action.get("parameters", [])
    }
    seen["console"] = server.get_build_console_output(job, number)
    path = "job/" + "/job/".join(job.split("/")) + "/%d/" % number

    def get(rest):
        request = requests.Request("GET", server._build_url(path + rest))
        return server.jenkins_request(request)

    seen["artifact"] = get("artifact/kubeconfig").text
    progressive = get("logText/progressiveText?start=0")
    seen["progressive"] = [
        progressive.text == seen["console"],
        int(progressive.headers["X-Text-Size"]) == len(progressive.content),
        progressive.headers.get("X-More-Data"),
    ]
    seen["stages"] = [each["name"] for each in get("wfapi/describe").json()["stages"]]
    tree = get("api/json?tree=number,actions[parameters[name]]").json()
    seen["tree"] = sorted(key for key in tree if key != "_class")
    seen["all"] = [each["number"] for each in server.get_job_info(job, fetch_all_builds=True)["builds"]]

    # One that is stopped while it runs, and one that is taken out of the queue.
    item = server.build_job(job, dict(given["values"], STACK_NAME="python-2"))
    number = until("the build begins", lambda: (server.get_queue_item(item).get("executable") or {}))["number"]
    server.stop_build(job, number)
    seen["stopped"] = until("it is stopped", lambda: server.get_build_info(job, number)["result"])
    item = server.build_job(job, dict(given["values"], STACK_NAME="python-3"))
    server.cancel_queue(item)
    seen["cancelled"] = server.get_queue_item(item).get("cancelled")

    try:
        server.get_job_info(given["bad"])
    except jenkins.JenkinsException as error:
        seen["missing"] = str(error)
    stranger = jenkins.Jenkins(given["url"], username=given["username"], password="wrong", timeout=10)
    try:
        stranger.get_whoami()
    except jenkins.JenkinsException as error:
        seen["refused"] = "401" in str(error)
    seen["crumb"] = bool(server.crumb)
    print(json.dumps(seen))


main()
