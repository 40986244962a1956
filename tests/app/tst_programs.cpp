#include "app/programs.h"

#include <QFile>
#include <QTemporaryDir>
#include <QTest>

#include <sys/stat.h>

using namespace millrace;

class TestPrograms : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void init() { QTest::failOnWarning(QRegularExpression(QStringLiteral(".?"))); }

    void programThatOthersMayChangeIsRefused_data()
    {
        QTest::addColumn<int>("fileMode");
        QTest::addColumn<int>("folderMode");
        QTest::addColumn<QString>("problem"); // how it ends; empty: good

        const QString open = QStringLiteral(
            " is not started, for every user of this machine may change it: chmod o-w it and its folder");
        const QString none = QStringLiteral(" is not a program that you may run");
        QTest::newRow("ordinary") << 0755 << 0755 << QString();
        QTest::newRow("private") << 0700 << 0700 << QString();
        QTest::newRow("group may write") << 0775 << 0775 << QString();
        QTest::newRow("others may write the file") << 0757 << 0755 << open;
        QTest::newRow("others may write the folder") << 0755 << 0757 << open;
        QTest::newRow("others may write both") << 0777 << 0777 << open;
        QTest::newRow("folder as /tmp: others may not replace the file") << 0755 << 01777 << QString();
        QTest::newRow("open file in a folder as /tmp") << 0757 << 01777 << open;
        QTest::newRow("nobody may run it") << 0644 << 0755 << none;
    }

    void programThatOthersMayChangeIsRefused()
    {
        QFETCH(int, fileMode);
        QFETCH(int, folderMode);
        QFETCH(QString, problem);
        const QTemporaryDir folder;
        const std::string path = folder.filePath(QStringLiteral("helper")).toStdString();
        QFile file(QString::fromStdString(path));
        QVERIFY(file.open(QIODevice::WriteOnly));
        file.close();
        QCOMPARE(::chmod(path.c_str(), mode_t(fileMode)), 0);
        QCOMPARE(::chmod(folder.path().toLocal8Bit().constData(), mode_t(folderMode)), 0);

        const auto found = programProblem(path);

        ::chmod(folder.path().toLocal8Bit().constData(), 0700);
        if (problem.isEmpty())
            QCOMPARE(found.value_or(""), "");
        else
            QCOMPARE(found.value_or(""), path + problem.toStdString());
    }

    void missingProgramIsTold()
    {
        QCOMPARE(
            programProblem("/nowhere/helper").value_or(""),
            "cannot start /nowhere/helper: No such file or directory; is Millrace installed completely?");
    }

    void folderIsNoProgram()
    {
        QCOMPARE(programProblem("/usr/bin").value_or(""), "/usr/bin is not a program that you may run");
    }

    void ownProgramsStandBesideTheApp()
    {
        const Programs programs = ownPrograms();

        const std::string folder = QCoreApplication::applicationDirPath().toStdString();
        QCOMPARE(programs.helper, folder + "/millrace-worker");
        QCOMPARE(programs.warden, folder + "/millrace-warden");
    }
};

QTEST_GUILESS_MAIN(TestPrograms)
#include "tst_programs.moc"
