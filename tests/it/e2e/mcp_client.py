"""The client of the official SDK against `runner mcp`: argv is the program and the box."""

import asyncio
import json
import sys

from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client


def text(result):
    return "".join(part.text for part in result.content)


def failed(result):
    return getattr(result, "is_error", None) or getattr(result, "isError", False)


async def main():
    server = StdioServerParameters(command=sys.argv[1], args=["--root", sys.argv[2], "mcp"])
    async with stdio_client(server) as (read, write):
        async with ClientSession(read, write) as session:
            hello = await session.initialize()
            names = sorted(tool.name for tool in (await session.list_tools()).tools)
            print("tools", ",".join(names))
            call = session.call_tool

            async def well(tool, /, **arguments):
                result = await call(tool, arguments)
                assert not failed(result), (tool, text(result))
                return text(result)

            async def refused(tool, /, **arguments):
                result = await call(tool, arguments)
                assert failed(result), (tool, text(result))
                return text(result)

            assert "jobs" in json.loads(await well("list"))
            assert "values" in json.loads(await well("explain", job="backtest", params={"runid": "x"}))
            assert "backtest" in await well("show", name="backtest", params={"runid": "x"})
            assert "ema" in await well("functions")
            assert "ema" in await well("functions", name="ema")
            source = await well("read_strategy", name="golden")
            assert "[strategy]" in source or "[[strategy.enter]]" in source
            print("wrote", await well("write_strategy", name="mine", text=source))
            assert "not overwritten" in await refused("write_strategy", name="mine", text=source)
            for name in ["../x", "a/b", ".x", "X", "", "golden", "a" * 41, "x\n", "link/x"]:
                await refused("write_strategy", name=name, text=source)
            await refused("write_strategy", name="bad", text="manifest = 1\nkind = 'exec'\n")
            await refused("write_strategy", name="bad", text=source + "\n[exec]\nrun = ['true']\n")
            await well("check", strategy="mine")
            params = {"exchange": "demo", "tag": "paper", "runid": "by_mcp"}
            played = await well("backtest", profiles=["mine"], params=params)
            print("played", json.loads(played)["exit"])
            assert json.loads(await well("history", last=1))["runs"][0]["kind"] == "backtest"
            again = await well("backtest", profiles=["ema_atr"], params={**params, "runid": "other"})
            assert json.loads(again)["exit"] == 0
            both = json.loads(await well("compare", a="paper_bt_by_mcp", b="paper_bt_other"))
            assert "paper_bt_other" in json.dumps(both), both
            seen = json.loads(await well("why", job="backtest", profiles=["mine"], params=params))
            assert seen["look"]["rules"], seen
            early = json.loads(await well("why", job="backtest", profiles=["mine"], params=params, at="2024-01-03T00:00:00Z"))
            assert early["ts_ms"] == 1704240000000, early
            page = json.loads(await well("report", params={"of": "by_mcp"}))
            assert page["exit"] == 0, page
            print("report", page["out"]["report"])
            swept = await well("sweep", job="small", params={"exchange": "demo", "timeframe": "4h"})
            document, _ = json.JSONDecoder().raw_decode(swept)
            assert document["out"]["trials"] == "9" and document["exit"] in (0, 1, 3), document
            print("swept", document["out"]["sweep"])
            assert json.loads(await well("history", kind="sweep"))["runs"][0]["job"] == "small"
            assert "runs" in json.loads(await well("history", job="backtest", state="succeeded", since="24h"))
            assert json.loads(await well("check"))
            assert "kind live" in await refused("backtest", job="live", params={})
            assert "kind" in await refused("backtest", job="exec")
            for job in ["--help", "jobs/live.toml", "-p", "../x", "/etc/passwd"]:
                for tool in ["backtest", "sweep", "report"]:
                    assert "is not a name" in await refused(tool, job=job)
                    assert "is not a name" in await refused(tool, profiles=[job])
                await refused("show", name=job)
            # What a run writes stays in the box: names become folders.
            for name in ["../x", "a/b", "/tmp/x", ".."]:
                await refused("backtest", profiles=["mine"], params={**params, "tag": name})
                await refused("backtest", profiles=["mine"], params={**params, "runid": name})
                await refused("report", params={"tag": name})
                await refused("sweep", job="small", params={"exchange": name, "timeframe": "4h"})
            assert "kind" in await refused("sweep", job="backtest", params={"runid": "x"})
            assert "kind" in await refused("report", job="small")
            await refused("backtest", params={"runid": "x\ny"})
            await refused("history", nonsense=1)
            await refused("compare", a="x")
            for gone in ["halt", "resume", "reduce", "flatten", "deploy", "promote", "run", "stop"]:
                try:
                    await call(gone, {})
                except Exception as error:
                    assert "unknown tool" in str(error).lower(), error
                else:
                    raise AssertionError(gone)
            print("version", getattr(hello, "protocol_version", None) or hello.protocolVersion)


asyncio.run(main())
