#include "workers/pool/environment.h"

#include <QTest>

#include <cstdlib>

using namespace millrace;

namespace {

QString names(Access access)
{
    QStringList result;
    for (const auto &entry : workerEnvironment(access))
        result.append(QString::fromStdString(entry.substr(0, entry.find('='))));
    result.sort();
    return result.join(QLatin1Char(' '));
}

} // namespace

class TestEnvironment : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void init()
    {
        QTest::failOnWarning(QRegularExpression(QStringLiteral(".?")));
        ::clearenv();
        for (const char *name : {"HOME",
                                 "PATH",
                                 "TZ",
                                 "LANG",
                                 "LC_ALL",
                                 "USER",
                                 "LOGNAME",
                                 "SHELL",
                                 "TMPDIR",
                                 "LD_PRELOAD",
                                 "LD_LIBRARY_PATH",
                                 "QT_PLUGIN_PATH",
                                 "QML2_IMPORT_PATH",
                                 "GITHUB_TOKEN",
                                 "SSH_AUTH_SOCK",
                                 "DBUS_SESSION_BUS_ADDRESS",
                                 "XDG_RUNTIME_DIR",
                                 "DISPLAY",
                                 "PYTHONPATH",
                                 "home",
                                 "PATHS"})
            ::setenv(name, "value", 1);
    }

    void computingWorkerGetsOnlyWhatProgramsNeed()
    {
        QCOMPARE(names(Access::Compute), QStringLiteral("HOME LANG LC_ALL PATH TZ"));
    }

    void programOfTheUserGetsTheUserToo()
    {
        QCOMPARE(names(Access::System), QStringLiteral("HOME LANG LC_ALL LOGNAME PATH SHELL TMPDIR TZ USER"));
    }

    void whatIsNotSetIsNotMadeUp()
    {
        ::clearenv();

        QVERIFY(workerEnvironment(Access::System).empty());
    }

    void valuesPassAsTheyAre()
    {
        ::clearenv();
        ::setenv("PATH", "/a=b:/größe \n", 1);
        ::setenv("TZ", "", 1);

        const auto entries = workerEnvironment(Access::Compute);

        QCOMPARE(entries, std::vector<std::string>({"PATH=/a=b:/größe \n", "TZ="}));
    }
};

QTEST_GUILESS_MAIN(TestEnvironment)
#include "tst_environment.moc"
