"""A plugin for pytest: why a test failed is told when it has, not at the end, which a limit in time may cut off."""


class Teller:
    def __init__(self, config):
        self.config = config

    def pytest_runtest_logreport(self, report):
        if report.failed:
            self.config.get_terminal_writer().line("\n" + report.longreprtext)


def pytest_configure(config):
    config.pluginmanager.register(Teller(config))
